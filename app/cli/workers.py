"""`traind workers`: who trains what, and taking workers out of service."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.connection import Url, connected
from app.cli.terminal import AsJson, console, print_json, print_rows, printable

if TYPE_CHECKING:
    from app.client import Client

app = typer.Typer(
    help="List workers, take them out of service and back.", invoke_without_command=True
)

LOOK_SECONDS = 0.5
"""How often it is looked whether a worker is drained."""
Names = Annotated[list[str], typer.Argument(metavar="WORKER...", help="Their names or ids.")]


@app.callback(epilog="Example: traind workers")
def list_workers(context: typer.Context, *, as_json: AsJson = False, url: Url = None) -> None:
    """List workers: what they offer, and which jobs they train."""
    if context.invoked_subcommand is not None:
        return
    with connected(url) as client:
        found = sorted(client.workers(), key=lambda worker: worker["name"])
    if as_json:
        for worker in found:
            print_json(worker)
        return
    columns = ("name", "status", "slots", "threads", "memory", "device", "labels", "jobs", "id")
    print_rows(columns, map(_row, found))


@app.command(epilog='Example: traind workers drain gpu1 --reason "a new disk" --wait')
def drain(
    names: Names,
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for others who look.")] = None,
    requeue: Annotated[
        bool | None,
        typer.Option(help="Give its jobs back to the queue, each with a checkpoint; or not."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return once they have nothing left to do.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Have workers take no more jobs; they finish those that they have.

    Wait for it, and their machines can be stopped. Draining one again changes only what is given.
    """
    with connected(url) as client:
        found = [client.drain_worker(name, reason, requeue=requeue) for name in names]
        if wait:
            found = [_drained(client, worker) for worker in found]
    _show(found, as_json=as_json)


@app.command(epilog="Example: traind workers resume gpu1")
def resume(names: Names, *, as_json: AsJson = False, url: Url = None) -> None:
    """Have drained workers take jobs again."""
    with connected(url) as client:
        _show([client.resume_worker(name) for name in names], as_json=as_json)


def _drained(client: "Client", worker: dict[str, Any]) -> dict[str, Any]:
    """The worker once it holds nothing; as it was last seen, if it ends meanwhile or is lost."""
    from app.client import Problem

    while worker["status"] == "draining":
        time.sleep(LOOK_SECONDS)
        try:
            worker = client.worker(worker["id"])
        except Problem as problem:
            if problem.code != "worker_not_found":
                raise
            return worker | {"status": "stopped", "jobs": [], "datasets": []}
    return worker


def _show(found: list[dict[str, Any]], *, as_json: bool) -> None:
    for worker in found:
        if as_json:
            print_json(worker)
            continue
        holds = [*worker["jobs"], *worker["datasets"]]
        what = f", {len(holds)} left: {', '.join(holds)}" if holds else ""
        console.print(f"{printable(worker['name'])} is {worker['status']}{what}")


def _row(worker: dict[str, Any]) -> tuple[str, ...]:
    labels = ",".join(f"{key}={value}" for key, value in worker["labels"].items())
    used = f"{len(worker['jobs'])}/{worker['slots']}"
    status = worker["status"]
    if worker["drain"] and worker["drain"]["reason"]:
        status += f" ({worker['drain']['reason']})"
    return (
        worker["name"],
        status,
        used,
        str(worker["threads"]),
        f"{worker['memory_mb']} MB",
        worker["device_name"] or worker["device"],
        labels,
        " ".join([*worker["jobs"], *worker["datasets"]]),
        worker["id"],
    )
