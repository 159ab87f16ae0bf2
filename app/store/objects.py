"""Uploaded files: each whole one is kept once, under its SHA-256, in a folder or in a bucket.

The row that names an object is written after the object is whole.
"""

import os
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from app.store.object_errors import ObjectDamaged, ObjectsUnavailable
from app.store.object_folder import ObjectFolder

PATIENCE_SECONDS = 30.0
"""How long a storage may give no byte before an answer of the API is broken off."""
LONGEST_PAUSE_SECONDS = 5.0
"""Longest pause between two requests to a storage that does not answer."""
DAMAGED_ATTEMPTS = 3
"""How often an object is fetched whose bytes arrive with another digest."""


class Objects(Protocol):
    """A place of objects. A digest is a SHA-256 in hexadecimal.

    Each method may raise `ObjectsUnavailable`, where the place is no folder.
    """

    address: str
    """What it is called, without any password."""

    def check(self) -> None:
        """Asks whether it can be used, by one small request."""

    def path(self, digest: str) -> Path | None:
        """Where an object would lie on this machine; None for a storage elsewhere."""

    def has(self, digest: str) -> bool:
        """Whether the object is there; this takes no longer than a few seconds."""

    def put(self, file: Path, digest: str) -> None:
        """Makes an object of a whole file that has this digest. It appears as a whole."""

    def stream(self, digest: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of an object from `start` on, in pieces, as they come: see `pieces`.

        Raises:
            FileNotFoundError: there is none.
        """

    def digests(self, before: float, after: str = "") -> Iterator[str]:
        """Digests, in order, of the objects that nobody has touched since then (seconds since 1970,
        UTC), from behind the digest `after`.
        """

    def discard(self, digest: str) -> None:
        """Removes an object that no row names any more; this takes no longer than a few seconds."""


def open_objects(where: str | Path) -> Objects:
    """The objects in a folder, or at an address such as s3://bucket/prefix.

    Raises:
        ObjectsUnavailable: what reads such addresses is not installed, or the address is none.
    """
    if isinstance(where, Path):
        return ObjectFolder(where)
    try:
        from app.store.bucket import Bucket  # noqa: PLC0415 (only where it is installed)
    except ImportError as error:
        reason = "obstore is not installed: pip install 'traind[s3]'"
        raise ObjectsUnavailable(where, reason) from error
    return Bucket(where)


def pieces(
    objects: Objects,
    digest: str,
    patience: float = PATIENCE_SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """The bytes of an object. An answer that breaks off is taken up again where it stopped.

    The last piece is held back until the digest is known to be right: who has all bytes has the
    right ones.

    Raises:
        FileNotFoundError: there is no such object.
        ObjectDamaged: the bytes have another digest.
        ObjectsUnavailable: no byte has come for `patience` seconds.
    """
    hashed, start, held, failures = sha256(), 0, b"", 0
    heard_at = time.monotonic()
    while True:
        try:
            for piece in objects.stream(digest, start):
                hashed.update(piece)
                start += len(piece)
                if held:
                    yield held
                held, failures, heard_at = piece, 0, time.monotonic()
            break
        except ObjectsUnavailable:
            if time.monotonic() - heard_at > patience:
                raise
            pause(min(0.1 * 2**failures, LONGEST_PAUSE_SECONDS))
            failures += 1
    if hashed.hexdigest() != digest:
        raise ObjectDamaged(objects.address, digest)
    yield held


def fetch(
    objects: Objects,
    digest: str,
    target: Path,
    *,
    patience: float = PATIENCE_SECONDS,
    pause: Callable[[float], None] = time.sleep,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> None:
    """Makes a file of an object's bytes, which appears whole and with the right digest.

    `on_bytes` is told how many have come; an exception that it raises ends the fetching.

    Raises:
        FileNotFoundError, ObjectsUnavailable: see `pieces`.
        ObjectDamaged: the bytes had another digest each time.
        OSError: the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    try:
        for attempt in range(1, DAMAGED_ATTEMPTS + 1):
            try:
                with partial.open("wb") as file:
                    for piece in pieces(objects, digest, patience, pause):
                        file.write(piece)
                        on_bytes(file.tell())
                    file.flush()
                    os.fsync(file.fileno())
            except ObjectDamaged:
                if attempt == DAMAGED_ATTEMPTS:
                    raise
            else:
                break
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
