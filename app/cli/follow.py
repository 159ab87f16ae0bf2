"""Follows a job to its end: a bar with its loss as a curve, its log above, then its findings."""

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from app.cli import findings
from app.cli.connection import Job, Url, connected
from app.cli.exit_codes import INTERRUPTED, NOT_SUCCEEDED
from app.cli.sparkline import sparkline
from app.cli.terminal import AsJson, console, errors, print_json, print_prose, printable

if TYPE_CHECKING:
    from app.client import Client


def watch(job: Job, *, as_json: AsJson = False, url: Url = None) -> None:
    """Follow a job to its end; Ctrl-C leaves it running.

    A bar shows the loss as a curve; the log and what was wrong with the run follow.
    """
    with connected(url) as client:
        follow_to_the_end(client, client.job(job), as_json=as_json)


def follow_to_the_end(client: "Client", job: dict[str, Any], *, as_json: bool = False) -> None:
    """Shows what happens to a job, and exits by how it has ended.

    Raises:
        typer.Exit: it has not succeeded, or the user looks at something else and it goes on.
    """
    try:
        ended = _print_messages(client, job) if as_json else follow(client, job, console)
    except KeyboardInterrupt:
        errors.print(
            f"{job['id']} goes on: `traind watch {job['id']}` follows it again, "
            f"`traind cancel {job['id']}` ends it."
        )
        raise typer.Exit(INTERRUPTED) from None
    if ended["status"] != "succeeded":
        raise typer.Exit(NOT_SUCCEEDED)


def follow(client: "Client", job: dict[str, Any], console: Console) -> dict[str, Any]:
    """Shows what happens to a job until it ends, and what was wrong with it; returns its end."""
    losses: list[float] = []
    epochs = job["spec"]["training"]["epochs"]
    with Progress(
        TextColumn("{task.fields[epoch]}", style="bold", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[measured]}", markup=False),
        TimeRemainingColumn(compact=True),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        bar = bars.add_task("", total=100.0, epoch="starting", measured="")
        measured: dict[str, str] = {}
        for message in client.watch(job["id"]):
            if message.kind == "progress":
                progress = message.data["progress"]
                epoch = f"epoch {progress['epoch']}/{progress['epochs']}"
                bars.update(bar, completed=progress["percent"], epoch=epoch)
                continue
            event = message.data
            if event["kind"] == "epoch":  # a short run may end before it tells of its progress
                done = event["data"]["epoch"]
                bars.update(bar, completed=100 * done / epochs, epoch=f"epoch {done}/{epochs}")
            if event["kind"] == "log" and (loss := event["data"].get("loss")) is not None:
                losses.append(loss)
                curve = f" {sparkline(losses)}" if console.encoding.startswith("utf") else ""
                measured["loss"] = f"loss {loss:.3f}{curve}"
            if event["kind"] == "epoch" and event["data"].get("validation_accuracy") is not None:
                measured["accuracy"] = f"accuracy {event['data']['validation_accuracy']:.2%}"
            bars.update(bar, measured="  ".join(measured.values()))
            print_prose(Text(printable(event["message"]), "dim"), console)
    ended = client.job(job["id"])
    print_prose(Text(printable(_told(ended))), console)
    findings.show(client.diagnosis(job["id"]), console)
    return ended


def _print_messages(client: "Client", job: dict[str, Any]) -> dict[str, Any]:
    """A line for each message of the event stream, then the diagnosis, and the job as it ended."""
    for message in client.watch(job["id"]):
        print_json({"kind": message.kind, "data": message.data})
    print_json({"kind": "diagnosis", "data": client.diagnosis(job["id"])})
    ended = client.job(job["id"])
    print_json({"kind": "job", "data": ended})
    return ended


def _told(job: dict[str, Any]) -> str:
    """How a job has ended, in a line."""
    said = f"{job['id']} has {job['status']}" if job["status"] != "cancelled" else ""
    said = said or f"{job['id']} was cancelled"
    if failure := job["failure"]:
        return f"{said} ({failure['code']}): {failure['message']} {failure['advice']}"
    accuracy = job["metrics"].get("test_accuracy")
    if accuracy is not None:
        said += f": test accuracy {accuracy:.2%}"
    return f"{said}, model {job['model']}" if job["model"] else said
