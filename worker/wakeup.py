"""What ends a worker's wait: its runs, a signal, the doorbell, or the time."""

import contextlib
import signal
import socket
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait

from app.store import doorbell
from app.store.database import Database

AGAIN_SECONDS = 10.0
"""How often a worker without a bell tries to hang one: a disk that was full may have room now."""


class Wakeup:
    """Waits for one worker, in the main thread: Python hands signals to no other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hang()
        self._signals, self._signalled = socket.socketpair()
        for end in (self._signals, self._signalled):
            end.setblocking(False)
        self._before = signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)

    @property
    def has_bell(self) -> bool:
        """Whether the commits of other processes end a wait."""
        return self._bell is not None

    def wait(self, waitables: Sequence[Connection | int], most_seconds: float) -> bool:
        """Returns when one of them is ready, a signal comes, it rings, or the time is over.

        The answer says whether it rang: another process has committed something.
        """
        bells = [] if self._bell is None else [self._bell.fileno()]
        ready = wait([*waitables, self._signals, *bells], most_seconds)
        if self._signals in ready:
            with contextlib.suppress(BlockingIOError):
                self._signals.recv(4096)
        if self._bell is None:
            if time.monotonic() > self._again_at:
                self._hang()
            return False
        rang = self._bell.fileno() in ready
        if rang:
            self._bell.hush()
        if self._bell.is_removed:
            self._bell.close()
            self._hang()
        return rang

    def _hang(self) -> None:
        self._bell = doorbell.hang(self._database, deaf_to_self=True)
        self._again_at = time.monotonic() + AGAIN_SECONDS

    def ring_others(self) -> None:
        """Tells the other processes that this one has committed something."""
        doorbell.ring(self._database, self._bell)

    def close(self) -> None:
        """Gives back the bell and the signals."""
        signal.set_wakeup_fd(self._before)
        self._signals.close()
        self._signalled.close()
        if self._bell is not None:
            self._bell.close()
