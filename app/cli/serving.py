"""`traind serve` and `demo`: the service itself, in this terminal."""

import signal
import sys
import time
from types import FrameType

from app.cli.terminal import console


def serve() -> None:
    """Start the API and a worker, and stay up until Ctrl-C or SIGTERM."""
    from app import address
    from app.local import running
    from app.settings import Settings

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
