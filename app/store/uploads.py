"""Unfinished uploads, on the machine that receives them: written from where the last part ended.

Nothing that a client sends is part of a path.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO

from app.store.disk import writing
from app.store.errors import UploadBusy, UploadMisplaced
from app.store.object_folder import untouched


class Uploads:
    """The uploads in a folder, which is made when the first one begins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, upload_id: str) -> Path:
        """Where the bytes of an upload are, if any have arrived."""
        return self._folder / upload_id

    def received(self, upload_id: str) -> int:
        """How many bytes of an upload have arrived."""
        try:
            return self.path(upload_id).stat().st_size
        except (FileNotFoundError, NotADirectoryError):  # none; or a file in the folder's place
            return 0

    @contextmanager
    def receiving(self, upload_id: str, offset: int, asked_at: float) -> Iterator[BinaryIO]:
        """The unfinished file, to be written from `offset` on: what was behind it is cut off.

        `asked_at` is when the request came, in seconds since 1970. One that was overtaken by a
        later one, as happens where its connection broke, cuts nothing off.

        Raises:
            UploadBusy: another request writes it at the moment.
            UploadMisplaced: less than `offset` bytes have arrived, or more by a later request.
            StorageFull: the disk has no room.
            FolderUnwritable: the folder may not be written to.
        """
        with writing("objects/uploads"):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self.path(upload_id).open("ab", buffering=0) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise UploadBusy(upload_id) from error
                found = os.fstat(file.fileno())
                received, is_overtaken = found.st_size, found.st_mtime > asked_at
                if received < offset or (received > offset and is_overtaken):
                    raise UploadMisplaced(received, offset)
                file.truncate(offset)
                try:
                    yield file
                finally:
                    at = time.time_ns()  # the kernel's time of the last write may be some ms late
                    os.utime(file.fileno(), ns=(at, at))

    def digest(self, upload_id: str) -> str:
        """SHA-256, in hexadecimal, of the bytes of an upload that have arrived.

        Raises:
            FileNotFoundError: nothing of it has arrived.
        """
        with self.path(upload_id).open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def abandon(self, upload_id: str) -> None:
        """Removes what has arrived of an upload."""
        self.path(upload_id).unlink(missing_ok=True)

    def abandoned(self, before: float) -> list[str]:
        """Ids of the uploads that nobody has touched since then (seconds since 1970, UTC)."""
        return untouched(self._folder.glob("*"), before)
