"""Uploaded files: each whole one is kept once, under its SHA-256; unfinished ones lie apart.

The row that names an object is written after the object is whole. Nothing that a client sends is
part of a path.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO

from app.store.errors import StorageFull, UploadBusy, UploadMisplaced

FULL = {28, 122}
"""ENOSPC and EDQUOT: the disk, or a user's share of it, is full (errno(3))."""


class Objects:
    """The objects in a folder, which is made when the first one is uploaded."""

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "sha256"
        self._uploads = folder / "uploads"

    def path(self, digest: str) -> Path:
        """Where an object lies, if it is there; `digest` is its SHA-256 in hexadecimal."""
        return self._objects / digest[:2] / digest

    def received(self, upload_id: str) -> int:
        """How many bytes of an upload have arrived."""
        try:
            return (self._uploads / upload_id).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def receiving(self, upload_id: str, offset: int) -> Iterator[BinaryIO]:
        """The unfinished file, to be written from `offset` on: what was behind it is cut off.

        Raises:
            UploadBusy: another request writes it at the moment.
            UploadMisplaced: less than `offset` bytes have arrived.
            StorageFull: the disk has no room.
        """
        self._uploads.mkdir(parents=True, exist_ok=True)
        with (self._uploads / upload_id).open("ab", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UploadBusy(upload_id) from error
            received = os.fstat(file.fileno()).st_size
            if received < offset:
                raise UploadMisplaced(received, offset)
            file.truncate(offset)
            try:
                yield file
            except OSError as error:
                if error.errno not in FULL:
                    raise
                raise StorageFull from error

    def digest(self, upload_id: str) -> str:
        """SHA-256, in hexadecimal, of the bytes of an upload that have arrived.

        Raises:
            FileNotFoundError: nothing of it has arrived.
        """
        with (self._uploads / upload_id).open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def keep(self, upload_id: str, digest: str) -> None:
        """Makes an object of an upload that is whole and has this digest, on disk for sure.

        The upload stays until it is abandoned: where the row that names the object is not written
        after all, its client need not send it again.

        Raises:
            FileNotFoundError: nothing of it has arrived.
        """
        upload = self._uploads / upload_id
        with upload.open("rb") as file:
            os.fsync(file.fileno())
        there = self.path(digest)
        there.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # the same bytes came before
            there.hardlink_to(upload)
        _sync(there.parent)

    def abandon(self, upload_id: str) -> None:
        """Removes what has arrived of an upload."""
        (self._uploads / upload_id).unlink(missing_ok=True)

    def discard(self, digest: str) -> None:
        """Removes an object that no row names any more."""
        self.path(digest).unlink(missing_ok=True)

    def uploads(self, before: float) -> list[str]:
        """Ids of the uploads that nobody has touched since then (seconds since 1970, UTC)."""
        return _untouched(self._uploads.glob("*"), before)

    def digests(self, before: float) -> list[str]:
        """Digests of the objects that nobody has touched since then (seconds since 1970, UTC)."""
        return _untouched(self._objects.glob("*/*"), before)


def _untouched(paths: Iterable[Path], before: float) -> list[str]:
    found = []
    for path in paths:
        with suppress(FileNotFoundError):  # removed meanwhile
            if path.stat().st_ctime < before:
                found.append(path.name)
    return found


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
