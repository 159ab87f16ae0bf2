"""A worker by another clock: `python -m tests.torture.other_clock`.

It is the worker, but every look at the time of day is off by the hours that the file `clock` in its
home folder says: the tests set it while it runs, and the machine's own clock stays right.
"""

import time
from pathlib import Path

from app.settings import Settings
from worker.__main__ import main

HOUR = 3600 * 10**9


def set_clock(home: Path, hours: int) -> None:
    """Moves the clock of every such worker."""
    new = home / "clock.new"
    new.write_text(str(hours))
    new.replace(home / "clock")


if __name__ == "__main__":
    real, file = time.time_ns, Settings().home / "clock"
    time.time_ns = lambda: real() + int(file.read_text()) * HOUR
    main()
