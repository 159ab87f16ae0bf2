"""`traind serve`, `worker` and `demo`: the service itself, in this terminal."""

import signal
import sys
import time
from importlib.util import find_spec
from types import FrameType
from typing import Annotated

import typer

from app.cli.exit_codes import ERROR
from app.cli.terminal import console, print_error


def serve(
    *,
    api_only: Annotated[
        bool, typer.Option("--api-only", help="Start no worker: others are elsewhere.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many workers to start; 1 by default.")
    ] = None,
) -> None:
    """Start the API and a worker, and stay up until Ctrl-C or SIGTERM."""
    if api_only and workers is not None:
        raise typer.BadParameter("--api-only starts none; leave --workers out")
    from app import address, logs
    from app.local import running
    from app.settings import Settings

    _end_with_parent_and_signals()
    settings = Settings.from_environment()
    logs.configure()
    address.check_free(settings.host, settings.port)
    try:
        with running(settings, workers=0 if api_only else workers or 1) as service:
            console.print(f"traind answers at {service.url}: open it in a browser. Ctrl-C stops.")
            while True:
                service.keep_up()
                time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("stopped")


def worker() -> None:
    """Start a worker alone, on the database of an API that runs elsewhere or without one.

    Ctrl-C and SIGTERM end it in an orderly way.
    """
    if find_spec("worker") is None or find_spec("torch") is None:
        print_error("The worker is not installed here; pip install 'traind[worker]' does it.")
        raise typer.Exit(ERROR)
    from app import lifeline

    _end_with_parent_and_signals()
    process = lifeline.Process([sys.executable, "-P", "-m", "worker"])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        code = process.wait()
    raise typer.Exit(code if code >= 0 else 128 - code)  # as shells tell of a signal


def demo() -> None:
    """Train the reference job, classify a few test images, and stop everything."""
    from app.cli import demo as demonstration
    from app.settings import Settings

    _end_with_parent_and_signals()
    if not demonstration.run(Settings.from_environment(), console):
        sys.exit(1)


def _end_with_parent_and_signals() -> None:
    """Stops in an orderly way on SIGTERM, and when the terminal is closed (not under nohup)."""
    from app.lifeline import Line

    outlives_terminal = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    Line()
    signal.signal(signal.SIGTERM, _interrupt)
    if not outlives_terminal:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
