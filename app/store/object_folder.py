"""Uploaded files in a folder of this machine, or of a file system that machines share."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from app.store.disk import writing

PIECE = 2**20
"""Bytes that are read at once."""


class ObjectFolder:
    """The objects in a folder, which is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder)
        self._folder = folder / "sha256"

    def check(self) -> None:
        """A folder is always there: it is made when it is needed."""

    def path(self, digest: str) -> Path:
        """Where an object lies, if it is there."""
        return self._folder / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the object is there."""
        return self.path(digest).is_file()

    def put(self, file: Path, digest: str) -> None:
        """Makes an object of a whole file that has this digest, on disk for sure.

        The file stays; the object is another name of it.

        Raises:
            StorageFull: the disk is full.
            FolderUnwritable: the folder may not be written to.
            OSError: the file is not there or on another file system.
        """
        _sync(file)
        there = self.path(digest)
        with writing("objects/sha256"):
            there.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # the same bytes came before
                there.hardlink_to(file)
            _sync(there.parent)

    def stream(self, digest: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of an object from `start` on, in pieces.

        Raises:
            FileNotFoundError: there is none.
        """
        with self.path(digest).open("rb") as file:
            file.seek(start)
            while piece := file.read(PIECE):
                yield piece

    def digests(self, before: float, after: str = "") -> Iterator[str]:
        """Digests, in order, of the objects that nobody has touched since then (seconds since 1970,
        UTC), from behind the digest `after`.
        """
        yield from sorted(
            name for name in untouched(self._folder.glob("*/*"), before) if name > after
        )

    def discard(self, digest: str) -> None:
        """Removes an object that no row names any more."""
        self.path(digest).unlink(missing_ok=True)


def untouched(paths: Iterable[Path], before: float) -> list[str]:
    """Names of the files that nobody has touched since then (seconds since 1970, UTC)."""
    found = []
    for path in paths:
        with suppress(FileNotFoundError):  # removed meanwhile
            if path.stat().st_ctime < before:
                found.append(path.name)
    return found


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
