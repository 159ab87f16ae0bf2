"""The `traind` command."""

import json
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from app import demo as demonstration
from app import findings, key_commands
from app.client import Client, Problem
from app.local import StartError, running
from app.settings import Settings
from app.store import database
from app.store.backup import back_up
from app.store.errors import StoreError

app = typer.Typer(help="Train networks as a service.", no_args_is_help=True, add_completion=False)
console = Console()

app.add_typer(key_commands.app, name="keys")

Url = Annotated[str, typer.Option(envvar="TRAIND_URL", help="Where the API answers.")]
HERE = "http://127.0.0.1:8000"


@app.command()
def serve() -> None:
    """Start the API and a worker, and stay up until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _interrupt)
    settings = Settings()
    try:
        with running(settings) as service:
            console.print(f"traind answers at {service.url}; see {service.url}/docs. Ctrl-C stops.")
            while True:
                service.keep_up()
                time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("stopped")


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="Where to; it must not exist.")]) -> None:
    """Copy the database to a file, while the service runs. To restore it, put it in its place."""
    opened = database.connect(Settings().database)
    try:
        back_up(opened, file)
    finally:
        opened.close()
    console.print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, checked")


@app.command()
def demo() -> None:
    """Train the reference job, classify a few test images, and stop everything."""
    signal.signal(signal.SIGTERM, _interrupt)
    if not demonstration.run(Settings(), console):
        sys.exit(1)


@app.command()
def submit(
    file: Annotated[
        Path | None, typer.Argument(help="A JSON file; the reference job if none.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    url: Url = HERE,
) -> None:
    """Submit a job."""
    spec: dict[str, Any] = json.loads(file.read_text()) if file else {}
    with Client(url) as client:
        job = client.submit(spec)
        console.print(job["id"])
        if watch:
            demonstration.follow(client, job, console)


@app.command()
def jobs(url: Url = HERE) -> None:
    """List the newest jobs."""
    table = Table("id", "name", "status", "percent", "test accuracy")
    with Client(url) as client:
        for job in client.jobs():
            percent = f"{job['progress']['percent']:.0f}" if job["progress"] else ""
            accuracy = job["metrics"].get("test_accuracy")
            table.add_row(
                job["id"],
                job["name"],
                job["status"],
                percent,
                f"{accuracy:.2%}" if accuracy is not None else "",
            )
    console.print(table)


@app.command()
def watch(job: str, url: Url = HERE) -> None:
    """Follow a job to its end."""
    with Client(url) as client:
        demonstration.follow(client, client.job(job), console)


@app.command()
def pause(job: str, url: Url = HERE) -> None:
    """Ask a job to stop for a while."""
    with Client(url) as client:
        console.print(client.pause(job)["status"])


@app.command()
def resume(job: str, url: Url = HERE) -> None:
    """Queue a paused job again."""
    with Client(url) as client:
        console.print(client.resume(job)["status"])


@app.command()
def retry(
    job: str,
    checkpoint: Annotated[bool, typer.Option(help="Go on from its newest checkpoint.")] = False,
    apply_suggestion: Annotated[
        bool, typer.Option("--apply-suggestion", help="As its diagnosis suggests.")
    ] = False,
    url: Url = HERE,
) -> None:
    """Submit an ended job again."""
    begin = "checkpoint" if checkpoint else "start"
    apply = "suggestion" if apply_suggestion else None
    with Client(url) as client:
        console.print(client.retry(job, begin, apply=apply)["id"])


@app.command()
def diagnose(job: str, url: Url = HERE) -> None:
    """Say what is wrong with a run, and what to try."""
    with Client(url) as client:
        findings.show(client, job, console)


@app.command()
def lr_range(
    job: str,
    *,
    lowest: Annotated[float, typer.Option(help="Rate of the first mini-batch.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="Rate of the last one.")] = 10.0,
    batches: Annotated[int, typer.Option(help="Mini-batches of the test.")] = 200,
    watch: Annotated[bool, typer.Option(help="Follow the test to its end.")] = True,
    url: Url = HERE,
) -> None:
    """Test learning rates for a job, and recommend one."""
    with Client(url) as client:
        made = client.test_rates(job, lowest=lowest, highest=highest, batches=batches)
        console.print(made["id"])
        if watch:
            demonstration.follow(client, made, console)


@app.command()
def explain(
    job: str,
    html: Annotated[bool, typer.Option("--html", help="A page instead of Markdown.")] = False,
    url: Url = HERE,
) -> None:
    """Print a report of a run with its curves as pictures."""
    with Client(url) as client:
        typer.echo(client.explain(job, "html" if html else "markdown"))


@app.command()
def cancel(job: str, url: Url = HERE) -> None:
    """Ask a job to stop."""
    with Client(url) as client:
        console.print(client.cancel(job)["status"])


def main() -> None:
    """Runs the command; what goes wrong is said in a line, not in a traceback."""
    try:
        app()
    except (Problem, StartError, StoreError) as error:
        console.print(f"[red]{error}[/]", soft_wrap=True)
        for each in getattr(error, "errors", []):
            console.print(f"  {each.get('pointer') or each.get('parameter')}: {each['detail']}")
        sys.exit(1)
    except httpx.ConnectError:
        console.print("[red]No traind answers there.[/] `traind serve` starts one.")
        sys.exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
