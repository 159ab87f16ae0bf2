"""The commands, and how their errors are told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import httpx
import typer

from app import address, lifeline
from app.cli import data, findings, keys, spec_file
from app.cli import demo as demonstration
from app.cli.connection import Url, connected
from app.cli.follow import follow
from app.cli.terminal import console, print_error, print_rows, printable
from app.client import BadKey, NothingToPack, Problem, Refused
from app.jobspec import backbones
from app.lifeline import Line
from app.local import StartError, running
from app.settings import BadSettings, Settings
from app.store import database
from app.store.backup import back_up, copy_objects
from app.store.errors import StoreError
from app.store.objects import Objects

# A traceback of typer's would print local variables, and a key among them.
app = typer.Typer(
    help="Train networks as a service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")
app.add_typer(data.app, name="data")


@app.command()
def serve() -> None:
    """Start the API and a worker, and stay up until Ctrl-C or SIGTERM."""
    _end_with_parent_and_signals()
    settings = Settings.from_environment()
    address.check_free(settings.host, settings.port)
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
    """Copy the database to a file, and the files of datasets to FILE.objects, while it runs.

    To restore them, put them in their places: TRAIND_HOME/traind.db and TRAIND_HOME/objects.
    """
    settings = Settings.from_environment()
    opened = database.connect(settings.database, create=False)
    try:
        back_up(opened, file.absolute())
    finally:
        opened.close()
    size = file.stat().st_size / 1e6
    console.print(f"{printable(str(file))}: {size:.1f} MB, checked")
    beside = file.absolute().with_name(f"{file.name}.objects")
    if count := copy_objects(Objects(settings.objects), file, beside):
        console.print(f"{printable(str(file))}.objects: {count} files of datasets")


@app.command()
def backbone(
    name: Annotated[backbones.Name, typer.Argument(help="Which one.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="torchvision's weights, .pth, or .safetensors with its names.", exists=True
        ),
    ],
) -> None:
    """Put the weights of a backbone where the service finds them."""
    folder = Settings.from_environment().backbone_files
    command = [sys.executable, "-P", "-m", "worker.convert_backbone", name, str(file), str(folder)]
    with lifeline.Process(command, stderr=subprocess.PIPE) as converting:
        _, errors = converting.communicate()
    if converting.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        _fail(lines[-1] if lines else f"exit code {converting.returncode}")
    made = backbones.file(folder, name)
    console.print(f"{printable(str(made))}: {made.stat().st_size / 1e6:.1f} MB")


@app.command()
def demo() -> None:
    """Train the reference job, classify a few test images, and stop everything."""
    _end_with_parent_and_signals()
    if not demonstration.run(Settings.from_environment(), console):
        sys.exit(1)


@app.command()
def submit(
    file: Annotated[
        Path | None, typer.Argument(help="A JSON file; the reference job if none.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    url: Url = None,
) -> None:
    """Submit a job."""
    spec = spec_file.read(file) if file else {}
    with connected(url) as client:
        job = client.submit(spec)
        console.print(job["id"])
        if watch:
            follow(client, job, console)


@app.command()
def jobs(url: Url = None) -> None:
    """List the newest jobs. Without a terminal: a line for each, with tabs between the values."""
    with connected(url) as client:
        rows = map(_row, client.jobs())
        print_rows(("id", "name", "status", "percent", "test accuracy"), rows)


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    percent = f"{job['progress']['percent']:.0f}" if job["progress"] else ""
    accuracy = job["metrics"].get("test_accuracy")
    measured = f"{accuracy:.2%}" if accuracy is not None else ""
    return job["id"], job["name"], job["status"], percent, measured


@app.command()
def watch(job: str, url: Url = None) -> None:
    """Follow a job to its end."""
    with connected(url) as client:
        follow(client, client.job(job), console)


@app.command()
def pause(job: str, url: Url = None) -> None:
    """Ask a job to stop for a while."""
    with connected(url) as client:
        console.print(client.pause(job)["status"])


@app.command()
def resume(job: str, url: Url = None) -> None:
    """Queue a paused job again."""
    with connected(url) as client:
        console.print(client.resume(job)["status"])


@app.command()
def retry(
    job: str,
    checkpoint: Annotated[bool, typer.Option(help="Go on from its newest checkpoint.")] = False,
    apply_suggestion: Annotated[
        bool, typer.Option("--apply-suggestion", help="As its diagnosis suggests.")
    ] = False,
    url: Url = None,
) -> None:
    """Submit an ended job again."""
    begin = "checkpoint" if checkpoint else "start"
    apply = "suggestion" if apply_suggestion else None
    with connected(url) as client:
        console.print(client.retry(job, begin, apply=apply)["id"])


@app.command()
def diagnose(job: str, url: Url = None) -> None:
    """Say what is wrong with a run, and what to try."""
    with connected(url) as client:
        findings.show(client, job, console)


@app.command()
def lr_range(
    job: str,
    *,
    lowest: Annotated[float, typer.Option(help="Rate of the first mini-batch.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="Rate of the last one.")] = 10.0,
    batches: Annotated[int, typer.Option(help="Mini-batches of the test.")] = 200,
    watch: Annotated[bool, typer.Option(help="Follow the test to its end.")] = True,
    url: Url = None,
) -> None:
    """Test learning rates for a job, and recommend one."""
    with connected(url) as client:
        made = client.test_rates(job, lowest=lowest, highest=highest, batches=batches)
        console.print(made["id"])
        if watch:
            follow(client, made, console)


@app.command()
def explain(
    job: str,
    html: Annotated[bool, typer.Option("--html", help="A page instead of Markdown.")] = False,
    url: Url = None,
) -> None:
    """Print a report of a run with its curves as pictures."""
    with connected(url) as client:
        typer.echo(client.explain(job, "html" if html else "markdown"))


@app.command()
def cancel(job: str, url: Url = None) -> None:
    """Ask a job to stop."""
    with connected(url) as client:
        console.print(client.cancel(job)["status"])


def main() -> None:
    """Runs the command; what goes wrong is said in a line, not in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except Problem as problem:
        fields = [
            f"  {each.get('pointer') or each.get('parameter')}: {each['detail']}"
            for each in problem.errors
        ]
        _fail("\n".join([str(problem), *fields]))
    except (
        BadSettings,
        address.AddressUnavailable,
        spec_file.BadSpecFile,
        BadKey,
        NothingToPack,
        Refused,
        StartError,
        StoreError,
    ) as error:
        _fail(str(error))
    except httpx.ConnectError as error:
        _fail(f"No traind answers at {_origin(error)}; `traind serve` starts one.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"The service cannot be asked: {error}. Check TRAIND_URL and --url.")
    except BrokenPipeError:  # the program that reads the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _fail(message: str) -> None:
    print_error(message)
    sys.exit(1)


def _origin(error: httpx.ConnectError) -> str:
    url = error.request.url
    return f"{url.scheme}://{url.netloc.decode()}"


def _end_with_parent_and_signals() -> None:
    """Stops in an orderly way on SIGTERM, and when the terminal is closed (not under nohup)."""
    outlives_terminal = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    Line()
    signal.signal(signal.SIGTERM, _interrupt)
    if not outlives_terminal:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
