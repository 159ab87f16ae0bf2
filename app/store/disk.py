"""What the system says where a file cannot be written, as errors of the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, EEXIST, ENOSPC, ENOTDIR, EROFS

from app.store.errors import StorageFull, StoreError

FULL = {ENOSPC, EDQUOT}
"""The disk, or a user's share of it, has no room or no inodes."""
BARRED = {EROFS, EACCES, ENOTDIR, EEXIST}
"""The file system is read-only, the user has no right, or a file lies in the folder's place."""


class FolderUnwritable(StoreError):
    """A folder of the home may not be written to; `folder` is its name under TRAIND_HOME."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"TRAIND_HOME/{folder} cannot be written to ({reason}): make it a folder that the "
            "user of traind may write to, then try again."
        )


class DatabaseUnwritable(StoreError):
    """The file of the database, or its disk, refuses; `reason` is without a path."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database cannot be written to ({reason}), and nothing was stored: see to it that "
            "its disk is sound and not read-only, and that the user of traind may write to its "
            "file and its folder, then try again."
        )


class DatabaseDamaged(StoreError):
    """The file of the database is none, or has damaged pages; `reason` is SQLite's."""

    def __init__(self, reason: str, where: str = "of TRAIND_HOME") -> None:
        self.reason = reason
        super().__init__(
            f"The database {where} is damaged ({reason}): stop every traind that uses it, move the "
            "file away with those beside it whose names begin like its own, and put a backup in "
            "place by `traind restore FILE`."
        )


@contextmanager
def writing(folder: str) -> Iterator[None]:
    """For code that writes files in a folder of the home.

    Raises:
        StorageFull: the disk has no room, or no inodes.
        FolderUnwritable: its disk is read-only, or the user has no right to it.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull from error
        if error.errno in BARRED:
            raise FolderUnwritable(folder, error.strerror or "") from error
        raise
