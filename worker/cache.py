"""Files of datasets that a worker fetches from a bucket, kept within a limit for the next time.

Beside them the limit holds for the arrays that were made of such files: they can be made again.
What the operator gave, and the built-in datasets, are neither counted nor removed.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import file_digest
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from app.store.objects import Objects, fetch, open_objects
from worker.imports.messages import Stored
from worker.in_use import last_used, mark, remove_unused

WAIT_SECONDS = 600.0
"""How long a bucket may give no byte before an import gives up."""
BEAT_SECONDS = 1.0
"""How often it is told that the fetching, or the waiting for it, goes on."""
DIGEST = re.compile(r"[0-9a-f]{64}")
ARRAYS = re.compile(r"ds_\w+")

Told = Callable[[int], None]


class Stopped(Exception):
    """Nobody wants the file any more."""


@contextmanager
def fetched(stored: Stored, arrays: Path, told: Told) -> Iterator[Path]:
    """The file, fetched if it is not there; nobody removes it while the block runs.

    Room is made for it before, among other files and the folders of `arrays`. `told` is called
    each second with the bytes that have come; an exception that it raises ends the fetching. Two
    processes of one home fetch a file once.

    Raises:
        FileNotFoundError: the bucket does not have it.
        ObjectDamaged: its bytes had another digest each time.
        ObjectsUnavailable: the bucket has given no byte for `WAIT_SECONDS`.
        OSError: the disk is full.
    """
    cache = Path(stored.cache)
    file = cache / stored.digest
    with mark(file):
        with _held(FileLock(f"{file}.lock"), told):
            if not _is_whole(file, stored.digest):
                file.unlink(missing_ok=True)
                trim(cache, arrays, stored.cache_bytes - stored.size)
                _fetch(open_objects(stored.objects), stored.digest, file, told)
        yield file


def trim(cache: Path, arrays: Path, limit: int) -> list[str]:
    """Removes what has not been used for longest, until the rest is within the limit.

    Returns the names of the removed files and folders.
    """
    found = [path for path in cache.glob("*") if DIGEST.fullmatch(path.name)]
    found += [path for path in arrays.glob("ds_*") if ARRAYS.fullmatch(path.name)]
    sizes = {path: _size(path) for path in found}
    total, removed = sum(sizes.values()), []
    for path in sorted(found, key=last_used):
        if total <= limit:
            break
        if remove_unused(path):
            total -= sizes[path]
            removed.append(path.name)
    return removed


@contextmanager
def _held(lock: FileLock, told: Told) -> Iterator[None]:
    while True:
        try:
            lock.acquire(timeout=BEAT_SECONDS)
            break
        except Timeout:  # another process fetches it
            told(0)
    try:
        yield
    finally:
        lock.release()


def _fetch(objects: Objects, digest: str, file: Path, told: Told) -> None:
    """Fetches in a thread, so that a storage that hangs does not keep this one from telling."""
    stop, come = Event(), [0]

    def count(received: int) -> None:
        come[0] = received
        pause(0)

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    with ThreadPoolExecutor(1) as pool:
        fetching: Future[None] = pool.submit(
            partial(fetch, patience=WAIT_SECONDS, pause=pause, on_bytes=count),
            objects,
            digest,
            file,
        )
        try:
            while not wait([fetching], BEAT_SECONDS).done:
                told(come[0])
        except BaseException:
            stop.set()
            raise
    fetching.result()


def _is_whole(file: Path, digest: str) -> bool:
    """Whether it is there with the right bytes: a disk may have changed them since."""
    try:
        with file.open("rb") as opened:
            return file_digest(opened, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False


def _size(path: Path) -> int:
    size = 0
    for each in path.rglob("*") if path.is_dir() else [path]:
        with suppress(FileNotFoundError):  # removed meanwhile
            size += each.stat().st_size
    return size
