"""Has the machine measured once, in a process of its own, while its worker has nothing to do."""

import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

from app import lifeline

ROUND = 2
"""Raised when training itself becomes faster, so that every machine is measured again."""
IDLE_SECONDS = 3.0
"""How long the worker must have been idle: jobs come first."""


def file(home: Path) -> Path:
    """Where a home keeps its machine's calibration, which holds for one version of torch."""
    return home / f"calibration-{ROUND}-{version('torch')}.json"


class Calibrator:
    """The calibration of a home, made where it is missing."""

    def __init__(self, home: Path) -> None:
        self._file = file(home)
        self._process: lifeline.Process | None = None
        self._idle_since = time.monotonic()
        self.speed = _read(self._file)

    def look(self, *, busy: bool) -> bool:
        """Starts a calibration when it is time, gives it up for a job; True when one is done."""
        if self.speed is not None:
            return False
        if busy:
            self._idle_since = time.monotonic()
            self.stop()
        elif self._process is None:
            if time.monotonic() - self._idle_since > IDLE_SECONDS:
                self._start()
        elif self._process.poll() is not None:
            self._process = None
            self._idle_since = time.monotonic() + 600  # a failed one is not tried at once
            self.speed = _read(self._file)
            return self.speed is not None
        return False

    def stop(self) -> None:
        """Ends a calibration that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self._process = lifeline.Process(
            [sys.executable, "-P", "-m", "worker.calibration", str(self._file)],
            stdin=subprocess.DEVNULL,
        )


def _read(file: Path) -> dict[str, float] | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, float])
    except (FileNotFoundError, msgspec.DecodeError):
        return None
