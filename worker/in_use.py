"""What is in use in a worker's home, so that nobody removes it to make room.

A lock on the file `NAME.used` beside it says so. The kernel lets go of it with the process that
holds it, however that ends. The time of the file is that of the last use.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

MARK = ".used"


def mark(path: Path) -> IO[bytes]:
    """Marks a path, which need not exist yet, as in use until what is given back is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    marked = _beside(path).open("ab")
    fcntl.flock(marked, fcntl.LOCK_SH)  # whoever removes it at the moment is awaited
    os.utime(marked.fileno())
    return marked


def last_used(path: Path) -> float:
    """When the path was last put to use, in seconds since 1970; 0 if nobody has said it."""
    try:
        return _beside(path).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def remove_unused(path: Path) -> bool:
    """Removes a file or a folder as a whole; False if it is in use, and stays."""
    with _beside(path).open("ab") as marked:
        try:
            fcntl.flock(marked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if path.is_dir():
            removed = path.with_name(f"{path.name}.partial-removed")
            shutil.rmtree(removed, ignore_errors=True)
            path.rename(removed)
            shutil.rmtree(removed)
        else:
            path.unlink(missing_ok=True)
    return True


def _beside(path: Path) -> Path:
    return path.with_name(path.name + MARK)
