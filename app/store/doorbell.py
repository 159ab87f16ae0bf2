"""A doorbell beside a SQLite file: who commits rings it, and who waits for commits wakes at once.

Each waiting process has a FIFO of its own in the folder `<database file>.bells`, and a ring writes
one byte into every FIFO. A ring may be lost, and another machine's does not arrive: whoever waits
for one also looks at the database from time to time.

PostgreSQL rings by itself, on every machine: dialects/notifications.py.
"""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from app.store.database import Database
from app.store.dialects import Bell as AnyBell

PIPE_BYTES = 65536
"""What a full pipe holds on Linux (pipe(7))."""


class NoDoorbell(Exception):
    """This database is no file, or no FIFO can be made beside it."""


class Bell:
    """This process's FIFO: readable from the first ring on, until it is hushed."""

    def __init__(self, database: Database) -> None:
        """Makes the FIFO.

        Raises:
            NoDoorbell: there can be none; look at the database at short intervals.
        """
        if database.path is None or not database.path.is_file():
            raise NoDoorbell
        folder = _folder(database.path)
        self.path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.bell"
        unfinished = self.path.with_suffix(".new")
        try:
            folder.mkdir(exist_ok=True)
            os.mkfifo(unfinished)
            # Open before it has its name: a ring removes a FIFO that nobody has open.
            # Open for writing, too: the pipe does not end when a ringer closes it.
            self._pipe = os.open(unfinished, os.O_RDWR | os.O_NONBLOCK)
            unfinished.rename(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise NoDoorbell from error

    def fileno(self) -> int:
        """What select, poll and `multiprocessing.connection.wait` wait for."""
        return self._pipe

    def hush(self) -> None:
        """Forgets the rings so far."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._pipe, PIPE_BYTES)

    @property
    def is_removed(self) -> bool:
        """Whether somebody has removed the FIFO, so that no ring arrives any more."""
        return os.fstat(self._pipe).st_nlink == 0

    def close(self) -> None:
        """Removes the FIFO."""
        os.close(self._pipe)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def hang(database: Database, *, deaf_to_self: bool = False) -> AnyBell | None:
    """A new bell, or None where there can be none.

    `deaf_to_self` says that it need not hear this process's own commits. A bell beside a file
    hears them unless it is given to `ring`.
    """
    if (bell := database.bell(deaf_to_self=deaf_to_self)) is not None:
        return bell
    try:
        return Bell(database)
    except NoDoorbell:
        return None


def ring(database: Database, own: AnyBell | None = None) -> None:
    """Wakes every process that waits for commits, but for the owner of `own`.

    Never blocks and never raises: a ring that cannot be heard is lost. A server rings by itself.
    """
    if database.path is None:
        return
    mine = own.path.name if isinstance(own, Bell) else ""
    with contextlib.suppress(OSError), os.scandir(_folder(database.path)) as entries:
        for entry in entries:
            if entry.name.endswith(".bell") and entry.name != mine:
                with contextlib.suppress(OSError):  # full, or another user's: the others ring
                    _ring(entry.path)


def _ring(fifo: str) -> None:
    try:
        pipe = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # its owner died
            os.unlink(fifo)  # noqa: PTH108 (a Path costs as much as the whole ring)
        return
    try:
        os.write(pipe, b"!")
    finally:
        os.close(pipe)


def _folder(database: Path) -> Path:
    return database.with_name(f"{database.name}.bells")
