"""`traind jobs`, and what one asks of a job: pause, resume, cancel."""

from typing import Annotated, Any

import typer

from app.cli.connection import Every, Job, Limit, Url, connected
from app.cli.terminal import AsJson, console, print_json, print_rows


def list_jobs(
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs in this state. May come again, or have commas."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only jobs with this label. May come again."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only jobs on this dataset: its name, name@version, or id.")
    ] = None,
    limit: Limit = 20,
    every: Every = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the newest jobs. Without a terminal: a line for each, with tabs between the values."""
    with connected(url) as client:
        most = None if every else limit
        found = client.each_job(most, status=status, label=label, dataset=dataset)
        if as_json:
            for job in found:
                print_json(job)
        else:
            print_rows(("id", "name", "status", "percent", "test accuracy"), map(_row, found))


def pause(job: Job, *, as_json: AsJson = False, url: Url = None) -> None:
    """Ask a job to stop for a while; a running one keeps a checkpoint."""
    with connected(url) as client:
        _show_status(client.pause(job), as_json=as_json)


def resume(job: Job, *, as_json: AsJson = False, url: Url = None) -> None:
    """Queue a paused job again; it goes on from its checkpoint."""
    with connected(url) as client:
        _show_status(client.resume(job), as_json=as_json)


def cancel(job: Job, *, as_json: AsJson = False, url: Url = None) -> None:
    """Ask a job to stop for good."""
    with connected(url) as client:
        _show_status(client.cancel(job), as_json=as_json)


def _show_status(job: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        console.print(job["status"])


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    percent = f"{job['progress']['percent']:.0f}" if job["progress"] else ""
    accuracy = job["metrics"].get("test_accuracy")
    measured = f"{accuracy:.2%}" if accuracy is not None else ""
    return job["id"], job["name"], job["status"], percent, measured
