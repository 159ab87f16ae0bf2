"""The commands, and how their errors are told."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.cli import (
    agents,
    backbone,
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
    transferring,
    workers,
)
from app.cli.exit_codes import ERROR, READER_GONE
from app.cli.terminal import AsJson, console, print_error, print_json, printable

if TYPE_CHECKING:
    from app.store.backup import Lacking

SERVICE, JOBS, MODELS, MORE = "The service", "Jobs", "Models", "Data and keys"
EXIT_CODES = (
    "Exit codes: 0 fine; 1 an error, told in a line; 2 a command line that makes no sense; 3 the "
    "job that was followed failed or was cancelled; 130 Ctrl-C; "
    "141 who read the output has gone."
)

# A traceback of typer's would print local variables, and a key among them.
app = typer.Typer(epilog=EXIT_CODES, no_args_is_help=True, pretty_exceptions_enable=False)


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


@app.command(epilog="Example: traind backup monday.db", rich_help_panel=SERVICE)
def backup(
    file: Annotated[Path, typer.Argument(help="Where to; it must not exist.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Copy the database to a file, and the files of datasets to FILE.objects, while it runs.

    `traind restore FILE` puts them in their places again. Files that are lost are told, and the
    exit code is 1; the backup has all the others.
    """
    from app.settings import Settings
    from app.store import database
    from app.store.backup import back_up, copy_objects
    from app.store.objects import open_objects

    settings = Settings.from_environment()
    opened = database.connect(settings.database, create=False)
    beside = file.absolute().with_name(f"{file.name}.objects")
    try:
        back_up(opened, file.absolute())
        objects = open_objects(settings.object_storage)
        copied = copy_objects(opened, objects, file, beside)
    finally:
        opened.close()
    size, lacking = file.stat().st_size, [each.digest for each in copied.lacking]
    if as_json:
        facts = {"dataset_files": copied.files, "missing_files": lacking}
        print_json({"file": str(file), "bytes": size, **facts})
    else:
        console.print(f"{printable(str(file))}: {size / 1e6:.1f} MB, checked")
        if copied.files:
            console.print(f"{printable(str(file))}.objects: {copied.files} files of datasets")
    if lacking:
        _print_lacking(copied.lacking, objects.address)
        raise typer.Exit(ERROR)


def _print_lacking(lacking: "list[Lacking]", address: str) -> None:
    """What a backup has not, whose it is, and what to do."""
    for each in lacking:
        how = "damaged" if each.is_damaged else "missing"
        whose = printable(", ".join(each.versions))
        print_error(f"The file of {whose} is {how} in {address}: sha256 {each.digest}")
    print_error(
        f"{len(lacking)} files of datasets are not in the backup: put them back from an earlier "
        "one, or send the same files again; then back up to another file."
    )


COMMANDS: dict[str, dict[str, tuple[Callable[..., None], str]]] = {
    SERVICE: {
        "serve": (serving.serve, "traind serve --workers 2"),
        "worker": (serving.worker, "TRAIND_HOME=/data/traind traind worker"),
        "doctor": (doctor.doctor, "traind doctor"),
        "restore": (restoring.restore, "traind restore monday.db"),
        "migrate-database": (
            transferring.migrate_database,
            "traind migrate-database .traind/traind.db postgresql+psycopg://user@host/traind",
        ),
        "backbone": (backbone.backbone, "traind backbone resnet18 resnet18-f37072fd.pth"),
        "demo": (serving.demo, "traind demo"),
        "mcp": (agents.mcp, "traind mcp --http --port 8765"),
    },
    JOBS: {
        "submit": (
            submitting.submit,
            "traind submit --preset digits --set training.optimizer.lr=0.05",
        ),
        "presets": (submitting.presets, "traind presets"),
        "jobs": (jobs.list_jobs, "traind jobs --status running --label team=vision --all"),
        "show": (job_page.show, "traind show job_01M852M242NVFAX5QZYGE85X1S"),
        "diff": (
            job_page.diff,
            "traind diff job_01M852M242NVFAX5QZYGE85X1S job_01M852M6DA1X3W7Z8TK28RRJ1X",
        ),
        "watch": (follow.watch, "traind watch job_01M852M242NVFAX5QZYGE85X1S"),
        "pause": (jobs.pause, "traind pause job_01M852M242NVFAX5QZYGE85X1S"),
        "resume": (jobs.resume, "traind resume job_01M852M242NVFAX5QZYGE85X1S"),
        "cancel": (jobs.cancel, "traind cancel job_01M852M242NVFAX5QZYGE85X1S"),
        "retry": (
            submitting.retry,
            "traind retry job_01M852M242NVFAX5QZYGE85X1S --apply-suggestion",
        ),
        "diagnose": (findings.diagnose, "traind diagnose job_01M852M242NVFAX5QZYGE85X1S"),
        "lr-range": (
            submitting.lr_range,
            "traind lr-range job_01M852M242NVFAX5QZYGE85X1S --highest 1",
        ),
        "explain": (reports.explain, "traind explain job_01M852M242NVFAX5QZYGE85X1S --html"),
    },
    MODELS: {
        "predict": (predicting.predict, "traind predict seven.png --model production"),
        "models": (models.list_models, "traind models --sort accuracy --dataset mnist"),
        "model": (models.show_model, "traind model latest"),
        "compare": (models.compare, "traind compare production latest"),
        "aliases": (models.list_aliases, "traind aliases"),
        "promote": (models.promote, "traind promote latest production"),
        "rollback": (models.rollback, "traind rollback production"),
    },
}
"""Each command by the panel of the help in which it stands, with an example."""

for _panel, _commands in COMMANDS.items():
    for _name, (_function, _example) in _commands.items():
        app.command(_name, epilog=f"Example: {_example}", rich_help_panel=_panel)(_function)
app.add_typer(data.app, name="data", rich_help_panel=MORE)
app.add_typer(workers.app, name="workers", rich_help_panel=SERVICE)
app.add_typer(keys.app, name="keys", rich_help_panel=MORE)


def main() -> None:
    """Runs the command; what goes wrong is said in a line, not in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, and not at the interpreter's exit, where nobody catches
    except BrokenPipeError:
        _exit_without_reader()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # which typer makes exit code 1 of
            _exit_without_reader()
        raise
    except Exception as error:
        from app.cli.error_lines import told

        message = told(error)
        if message is None:
            raise
        print_error(message)
        sys.exit(ERROR)


def _exit_without_reader() -> NoReturn:
    """Ends where the program that reads the output has ended, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's flush
    sys.exit(READER_GONE)
