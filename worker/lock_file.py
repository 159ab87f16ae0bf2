"""The lock file of a worker: it says which workers of this home live, whatever their process ids.

Each worker holds a lock (flock(2)) on `workers/<id>.lock` in its home, and the kernel takes the
lock away when the process ends, however it ends. The file also says where the worker runs: by the
boot of the machine, since a lock on a network file system may be unseen by another machine, and by
the namespace of its processes, which is a container's own.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.store.disk import writing

SUFFIX, UNFINISHED = ".lock", ".new"
STALE_SECONDS = 3600.0
"""A file gets its name within milliseconds of its start; one that is unfinished after an hour was
left by a worker that was killed, or that found the disk full."""


@dataclass(frozen=True)
class Place:
    """Where a process runs."""

    boot: str
    """Of the machine; another one after each start of it."""
    processes: str
    """The namespace of process ids: a container's own."""

    @classmethod
    def here(cls) -> "Place":
        """Where this process runs. Without Linux' /proc, the host's name has to do."""
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return cls(boot, os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 (no path)
        except OSError:
            return cls(socket.gethostname(), "")


class LockFile:
    """This worker's own, held until it is closed or the process ends."""

    def __init__(self, home: Path, worker_id: str) -> None:
        """Makes the file, and holds its lock before it has its name. A failure leaves nothing.

        Raises:
            StorageFull: the disk has no room.
            FolderUnwritable: the folder may not be written to.
        """
        folder = _folder(home)
        self._path = folder / f"{worker_id}{SUFFIX}"
        unfinished = folder / f"{worker_id}{UNFINISHED}"
        with writing(folder.name):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                _hold(self._file)
                unfinished.rename(self._path)
            except BaseException:
                with suppress(OSError):
                    unfinished.unlink()
                os.close(self._file)
                raise

    def close(self) -> None:
        """Removes the file: its worker has ended as planned."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._file)


def _hold(file: int) -> None:
    """Locks a new lock file, and says in it where this process runs."""
    with suppress(OSError):  # no locks on this file system: then its leases have to expire
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    place = Place.here()
    rest = f"{place.boot}\n{place.processes}\n".encode()
    while rest:  # a disk with little room takes a part, and refuses the next
        rest = rest[os.write(file, rest) :]


def remove_unfinished(home: Path) -> None:
    """Removes the lock files that were never finished."""
    for path in _folder(home).glob(f"*{UNFINISHED}"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - STALE_SECONDS:
                path.unlink()


@dataclass(frozen=True)
class Found:
    """The lock file of a worker."""

    worker_id: str
    path: Path
    place: Place


def found(home: Path) -> list[Found]:
    """The lock files of a home, in the order of their workers' starts."""
    files = []
    for path in sorted(_folder(home).glob(f"*{SUFFIX}")):
        with suppress(OSError, UnicodeDecodeError):  # it was just removed
            boot, _, rest = path.read_text().partition("\n")
            files.append(Found(path.name.removesuffix(SUFFIX), path, Place(boot, rest.strip())))
    return files


@contextmanager
def taken(file: Found) -> Iterator[bool]:
    """Holds the lock of a worker that is gone, and gives whether it could be had."""
    try:
        descriptor = os.open(file.path, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def ids_here(home: Path) -> list[str]:
    """The workers of this home that were started in this container, or on this machine."""
    here = Place.here()
    return [each.worker_id for each in found(home) if each.place == here]


def _folder(home: Path) -> Path:
    return home / "workers"
