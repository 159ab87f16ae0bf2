"""PostgreSQL's notifications: a hint that something was committed, beside looks at intervals.

A thread holds one connection that listens. A notification may be missed: while the connection is
being opened again, or behind a pooler that knows no LISTEN. So the stamp changes with time, too.

Every worker hears of each commit that may bring work, and asks the server what it was. Where there
are many workers, each waits for a random time before it asks, and asks once for all commits of that
time.

Progress is not notified. A notification wakes every listening connection of the database, whatever
its channel, and commits that notify wait for each other: 32 busy workers cost the server half a
processor, and twice as many four times that.
"""

import contextlib
import os
import random
import select
import threading
import time
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

CHANNEL = "traind"
FEW = 20
"""This many workers may ask the server at the same moment."""
ASK_SECONDS, EACH_LOOK_SECONDS = 0.002, 0.005
"""What each further worker adds to the time within which all ask after a commit, and to the time
between two looks unheard: for 1,000 workers 2 and 5 s."""
LOOK_SECONDS = 1.0
"""The stamp changes at least so often, heard or not."""
DEAF_SECONDS = 0.25
"""It changes so often while the connection is broken, and then it is tried to open another."""


class PipeBell:
    """Rings when a notification comes: the listener writes one byte into a pipe."""

    def __init__(self, listener: "Listener", *, deaf_to_self: bool) -> None:
        self._listener = listener
        self.deaf_to_self = deaf_to_self
        self._heard, self._ringer = os.pipe()
        for end in (self._heard, self._ringer):
            os.set_blocking(end, False)

    def fileno(self) -> int:
        """What select, poll and `multiprocessing.connection.wait` wait for."""
        return self._heard

    def hush(self) -> None:
        """Forgets the rings so far."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._heard, 65536)

    def ring(self) -> None:
        """Makes it readable; a full pipe is readable already."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._ringer, b"!")

    @property
    def is_removed(self) -> bool:
        """Never: the listener opens its connection again by itself."""
        return False

    def close(self) -> None:
        """Closes the pipe."""
        self._listener.forget(self)
        os.close(self._heard)
        os.close(self._ringer)


class Listener:
    """The thread that listens. `own` is the signature of this process's commits."""

    def __init__(self, engine: Engine, own: str) -> None:
        self._engine = engine
        self._own = own
        self._more = 0
        self._phase = random.uniform(0.0, 3600.0)  # workers of one machine look at other moments
        self._lock = threading.Lock()
        self._bells: list[PipeBell] = []
        self._heard = 0
        self._listens = False
        self._closed, self._close = os.pipe()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def stamp(self) -> int:
        """Changes with each notification that was heard, and after `look_seconds`."""
        return self._heard << 32 | int((time.monotonic() + self._phase) / self.look_seconds)

    @property
    def look_seconds(self) -> float:
        """One second, or more among many workers."""
        return max(LOOK_SECONDS, self._more * EACH_LOOK_SECONDS)

    def spread_looks(self, workers: int) -> None:
        """Sets how long this worker waits with its questions, by the number of all workers."""
        self._more = max(0, workers - FEW)

    def bell(self, *, deaf_to_self: bool) -> PipeBell:
        """One more bell. Its first ring says that it hears from now on."""
        bell = PipeBell(self, deaf_to_self=deaf_to_self)
        with self._lock:
            self._bells.append(bell)
            if self._listens:
                bell.ring()
        return bell

    def forget(self, bell: PipeBell) -> None:
        """Rings it no more."""
        with self._lock, contextlib.suppress(ValueError):
            self._bells.remove(bell)

    def close(self) -> None:
        """Ends the thread and its connection."""
        os.write(self._close, b"!")
        self._thread.join()
        os.close(self._close)
        os.close(self._closed)

    def _run(self) -> None:
        is_closing = False
        while not is_closing:
            try:
                connection = self._open()
            except (SQLAlchemyError, _psycopg_error()):  # the pool tells some as they come
                self._hear(None)  # nobody knows what was committed
                is_closing = self._rest(DEAF_SECONDS)
                continue
            try:
                is_closing = self._listen(connection)
            except _psycopg_error():
                self._hear(None, listens=False)
            finally:
                connection.close()

    def _open(self) -> Any:
        """A connection of psycopg that listens, and that the pool does not know any more."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        try:
            connection.rollback()
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANNEL}")
        except _psycopg_error():
            connection.close()
            raise
        self._hear(None, listens=True)  # what was committed before
        return connection

    def _listen(self, connection: Any) -> bool:
        """Hears notifications until it is closed: True. Raises psycopg.Error where it breaks."""
        senders: set[str] = set()
        due = 0.0
        while True:
            wait = max(0.0, due - time.monotonic()) if senders else LOOK_SECONDS
            ready, _, _ = select.select([connection.fileno(), self._closed], [], [], wait)
            if self._closed in ready:
                return True
            if ready:
                is_first = not senders
                senders |= {each.payload for each in connection.notifies(timeout=0)}
                if is_first:
                    due = time.monotonic() + random.uniform(0.0, self._more * ASK_SECONDS)
            if senders and time.monotonic() >= due:
                self._hear(senders)
                senders = set()

    def _hear(self, senders: set[str] | None, *, listens: bool | None = None) -> None:
        self._heard += 1
        with self._lock:
            self._listens = self._listens if listens is None else listens
            for bell in self._bells:
                if senders != {self._own} or not bell.deaf_to_self:
                    bell.ring()

    def _rest(self, seconds: float) -> bool:
        """Whether it was closed meanwhile."""
        return bool(select.select([self._closed], [], [], seconds)[0])


def _psycopg_error() -> type[Exception]:
    import psycopg  # noqa: PLC0415 (only where it is installed)

    return psycopg.Error
