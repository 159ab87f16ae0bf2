"""Uploaded files: each whole one is kept once, under its SHA-256; unfinished ones lie apart.

The row that names an object is written after the object is whole. Nothing that a client sends is
part of a path.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO

from app.store.errors import StorageFull, UploadBusy

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
            StorageFull: the disk has no room.
        """
        self._uploads.mkdir(parents=True, exist_ok=True)
        with (self._uploads / upload_id).open("ab", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UploadBusy(upload_id) from error
            file.truncate(offset)
            try:
                yield file
            except OSError as error:
                if error.errno not in FULL:
                    raise
                raise StorageFull from error

    def finish(self, upload_id: str) -> str:
        """Makes an object of an upload that is whole, on disk for sure; returns its digest.

        Raises:
            FileNotFoundError: nothing of it has arrived.
            StorageFull: the disk has no room.
        """
        upload = self._uploads / upload_id
        with upload.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        there = self.path(digest)
        there.parent.mkdir(parents=True, exist_ok=True)
        upload.replace(there)
        _sync(there.parent)
        return digest

    def abandon(self, upload_id: str) -> None:
        """Removes what has arrived of an upload."""
        (self._uploads / upload_id).unlink(missing_ok=True)

    def discard(self, digest: str) -> None:
        """Removes an object that no row names any more."""
        self.path(digest).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
