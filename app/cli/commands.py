"""The commands, and how their errors are told."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from app.cli import (
    data,
    doctor,
    findings,
    follow,
    job_page,
    jobs,
    keys,
    models,
    predicting,
    reports,
    restoring,
    serving,
    submitting,
)
from app.cli.terminal import console, print_error, printable

# A traceback of typer's would print local variables, and a key among them.
app = typer.Typer(
    help="Train networks as a service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"traind {version('traind')}")
        raise typer.Exit


@app.callback()
def traind(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say the version, and exit."
        ),
    ] = False,
) -> None:
    """Train networks as a service."""


app.command()(serving.serve)
app.command()(serving.worker)
app.command()(doctor.doctor)


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="Where to; it must not exist.")]) -> None:
    """Copy the database to a file, and the files of datasets to FILE.objects, while it runs.

    `traind restore FILE` puts them in their places again.
    """
    from app.settings import Settings
    from app.store import database
    from app.store.backup import back_up, copy_objects
    from app.store.objects import Objects

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


app.command()(restoring.restore)
app.command()(serving.demo)
app.command()(submitting.submit)
app.command("jobs")(jobs.list_jobs)
app.command()(job_page.show)
app.command()(job_page.diff)
app.command()(follow.watch)
app.command()(jobs.pause)
app.command()(jobs.resume)
app.command()(submitting.retry)
app.command()(findings.diagnose)
app.command()(submitting.lr_range)
app.command()(reports.explain)
app.command()(jobs.cancel)
app.command("models")(models.list_models)
app.command("model")(models.show_model)
app.command("aliases")(models.list_aliases)
app.command()(models.promote)
app.command()(models.rollback)
app.command()(models.compare)
app.command()(predicting.predict)
app.add_typer(keys.app, name="keys")
app.add_typer(data.app, name="data")


def main() -> None:
    """Runs the command; what goes wrong is said in a line, not in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except BrokenPipeError:  # the program that reads the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        from app.cli.error_lines import told

        message = told(error)
        if message is None:
            raise
        print_error(message)
        sys.exit(1)
