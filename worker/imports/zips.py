"""Zip files."""

import errno
import stat
from collections.abc import Callable, Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from worker.imports.archives import (
    DAMAGE,
    MAX_RATIO,
    SMALL,
    Checks,
    Damaged,
    Unpacked,
    copy,
    damaged,
    is_skipped,
    raise_fault_of_machine,
    read,
)
from worker.imports.refusals import Refusal, unsafe

MAX_READ = 2**27
"""Most bytes that are read from the file at once: its table of contents is the largest."""
ENCRYPTED, UTF_8 = 0x1, 0x800
"""Flags of an entry."""


class _Mapped(mmap):
    """A file of which zipfile reads no table of contents that would fill the memory.

    It is mapped because zipfile seeks and tells all the time. With a plain file each is a system
    call, at which the decoding threads take Python's lock: measured, that halves the speed.
    """

    def seekable(self) -> bool:
        """Zipfile asks; Python's own mmap answers from 3.13 on."""
        return True

    def seek(self, *where: Any) -> None:
        """Zipfile looks before the start of a short file, and expects a file's error."""
        try:
            super().seek(*where)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error

    def read(self, size: int | None = -1, /) -> bytes:
        """At most MAX_READ bytes.

        Raises:
            Refusal: more are asked for, and are there.
        """
        left = len(self) - self.tell()
        if min(left, left if size is None or size < 0 else size) > MAX_READ:
            raise unsafe("has a table of contents that is too large")
        return super().read(size)


class Zip:
    """A zip file, stored or deflated: the other methods cannot be unpacked in bounded memory."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.stat().st_size
        with path.open("rb") as file:
            self._file = _Mapped(file.fileno(), 0, access=ACCESS_READ)
        try:
            self._zip = ZipFile(cast(IO[bytes], self._file))
            self._entries = self._checked()
        except BaseException as error:
            self._file.close()
            if isinstance(error, DAMAGE):
                raise damaged("zip", error) from error
            raise
        self.names = list(self._entries)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _checked(self) -> dict[str, ZipInfo]:
        """The entries that are files, by their names."""
        entries: dict[str, ZipInfo] = {}
        checks = Checks()
        for entry in self._zip.infolist():
            name = _check(entry, checks)
            if not entry.is_dir() and not is_skipped(name):
                entries[name] = entry
        return entries

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Damaged]]:
        """See `Archive`."""
        unpacked = Unpacked(self._bytes)
        for name, entry in self._entries.items():
            if wanted(name):
                content = self._content(entry)
                unpacked.add(len(content) if isinstance(content, bytes) else entry.file_size)
                yield name, content

    def _content(self, entry: ZipInfo) -> bytes | Damaged:
        try:
            with self._zip.open(entry) as opened:
                return read(opened, entry.file_size)
        except (*DAMAGE, Damaged) as error:
            raise_fault_of_machine(error)
            return Damaged(f"it cannot be unpacked ({error or type(error).__name__})")

    def copy(self, name: str, to: Path) -> None:
        """See `Archive`."""
        try:
            with self._zip.open(self._entries[name]) as opened, to.open("wb") as file:
                copy(opened, file, Unpacked(self._bytes))
        except DAMAGE as error:
            raise_fault_of_machine(error)
            raise Damaged(str(error) or type(error).__name__) from error


def _check(entry: ZipInfo, checks: Checks) -> str:
    """The name of an entry that is sound."""
    if entry.flag_bits & ENCRYPTED:
        raise unsafe("is encrypted")
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise unsafe(f"holds a link or a device, {entry.filename[:80]!r}")
    name = checks.entry(_name(entry), entry.file_size, is_folder=entry.is_dir())
    if entry.file_size > max(SMALL, MAX_RATIO * entry.compress_size):
        raise unsafe(f"unpacks to more than {MAX_RATIO} times its size (a zip bomb)")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Refusal(
            "unknown_format",
            "The zip file is not packed by the usual method (deflate).",
            "Pack it with the usual settings, or as tar.xz.",
        )
    return name


def _name(entry: ZipInfo) -> str:
    """An entry's name. macOS writes UTF-8 without saying so; zipfile reads that as cp437."""
    if entry.flag_bits & UTF_8:
        return entry.orig_filename
    try:
        return entry.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.orig_filename
