"""Shows a job while somebody waits for it: a line in a terminal, a picture in a notebook."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from traind.shown import AsyncShownJob, line


@contextmanager
def following(job: AsyncShownJob, *, shown: bool) -> Iterator[Callable[[], object]]:
    """Gives what shows the job as it is now."""
    if not shown:
        yield lambda: None
    elif (display := _notebook()) is not None:
        handle = display(job, display_id=True)
        yield lambda: handle.update(job)
    else:
        with _terminal(job) as show:
            yield show


def _notebook() -> Any:
    """IPython's `display` in a notebook; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display  # noqa: PLC0415 (it is loaded already)

    return display


@contextmanager
def _terminal(job: AsyncShownJob) -> Iterator[Callable[[], object]]:
    """One line that is written again; where there is no terminal, a line for each epoch."""
    if not sys.stderr.isatty():
        yield _each_epoch(job)
        return

    def show() -> None:
        # a line that is broken by the terminal could not be written again
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\033[K{line(job.answer)[:width]}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\n")


def _each_epoch(job: AsyncShownJob) -> Callable[[], object]:
    shown: object = None

    def show() -> None:
        nonlocal shown
        progress = job.answer.progress
        now = (job.answer.status, progress and progress.epoch)
        if now != shown:
            shown = now
            sys.stderr.write(f"{line(job.answer)}\n")
            sys.stderr.flush()

    return show
