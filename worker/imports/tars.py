"""Tar files, plain or packed by gzip, bzip2 or xz. They are read from their start each time."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from worker.imports.archives import (
    DAMAGE,
    Checks,
    Damaged,
    Unpacked,
    copy,
    damaged,
    is_skipped,
    read,
)
from worker.imports.refusals import unsafe

OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
"""What opens a packed file, by its first bytes."""
MAX_HEADER_BYTES = 2**16
"""Most bytes between two entries: names and attributes. tarfile takes a time that grows with their
square to read hostile ones."""


class _Counted:
    """The unpacked bytes of a tar file, as tarfile reads them."""

    def __init__(self, opened: IO[bytes], unpacked: Unpacked) -> None:
        self._opened, self._unpacked = opened, unpacked
        self._allowed = MAX_HEADER_BYTES

    def allow(self, count: int) -> None:
        """Lets `count` bytes be read, of the entry that begins, and the headers after it."""
        # tarfile reads records of 10 KiB ahead, and fills up blocks of 512 bytes
        self._allowed = count + MAX_HEADER_BYTES

    def read(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            Refusal: it is a bomb.
        """
        content = self._opened.read(count)
        self._allowed -= len(content)
        if self._allowed < 0:
            raise unsafe(f"has more than {MAX_HEADER_BYTES >> 10} KiB between two entries")
        self._unpacked.add(len(content))
        return content


class Tar:
    """A tar file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = path.stat().st_size
        checks = Checks()
        self.names: list[str] = []
        with self._opened() as entries:
            for entry, _ in entries:
                if not (entry.isreg() or entry.isdir()) or entry.issparse():
                    raise unsafe(f"holds a link, a device or a sparse file, {entry.name[:80]!r}")
                name = checks.entry(entry.name or ".", entry.size, is_folder=entry.isdir())
                if entry.isreg() and not is_skipped(name):
                    self.names.append(name)
        self._names = set(self.names)

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Damaged]]:
        """See `Archive`."""
        with self._opened() as entries:
            for entry, opened in entries:
                name = _name(entry)
                if opened is not None and name in self._names and wanted(name):
                    try:
                        content: bytes | Damaged = read(opened, entry.size)
                    except Damaged as error:
                        content = error
                    yield name, content

    def copy(self, name: str, to: Path) -> None:
        """See `Archive`."""
        with self._opened() as entries:
            for entry, opened in entries:
                if opened is not None and _name(entry) == name:
                    with to.open("wb") as file:
                        copy(opened, file, Unpacked(self._bytes))
                    return

    @contextmanager
    def _opened(self) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]]:
        """The entries, each with its content if it is a plain file."""
        with self._path.open("rb") as file:
            head = file.read(6)
            file.seek(0)
            opener = next((each for magic, each in OPENERS.items() if head.startswith(magic)), None)
            try:
                with opener(file) if opener else self._path.open("rb") as opened:
                    counted = _Counted(opened, Unpacked(self._bytes))
                    with tarfile.open(
                        fileobj=cast(IO[bytes], counted),
                        mode="r|",
                    ) as archive:
                        yield _entries(archive, counted)
            except DAMAGE as error:
                raise damaged("tar", error) from error


def _entries(
    archive: tarfile.TarFile, counted: _Counted
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for entry in archive:
        counted.allow(entry.size if entry.isreg() else 0)
        yield entry, archive.extractfile(entry) if entry.isreg() else None
        archive.members = []  # type: ignore[attr-defined]  # it would keep every header


def _name(entry: tarfile.TarInfo) -> str:
    return Checks().entry(entry.name or ".", 0)
