"""Zip and tar files, entry by entry: nothing is ever unpacked by its name.

An archive that holds what no packing of pictures has is refused as a whole: links and devices,
names that lead out of a folder, a name twice, encrypted entries, and bombs. A bomb is an entry of
more than `MAX_RATIO` times its packed size, too many entries, or too many bytes in all; what an
entry really unpacks to is counted, whatever its header says. An entry that is damaged is left out.
"""

import lzma
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from zipfile import BadZipFile, ZipFile, ZipInfo

from worker.imports.refusals import Refusal, unsafe

MAX_ENTRIES = 2_000_000
MAX_ENTRY_BYTES = 2**34
"""Most bytes of one entry: an npy array in an npz is the largest that is read."""
MAX_FILE_BYTES = 2**28
"""Most bytes of a picture or a table that is read into memory."""
MAX_TOTAL_BYTES = 2**38
"""Most bytes of all entries, unpacked."""
MAX_RATIO = 200
SMALL = 2**22
"""Bytes up to which an entry may be packed as well as it likes."""
PIECE = 2**20

DAMAGE = (BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
"""What reading a damaged entry may raise."""

SKIPPED = {"__macosx", "thumbs.db", "desktop.ini"}
"""What file managers leave behind, in small letters."""


class Damaged(Exception):
    """An entry cannot be read."""


class Archive(Protocol):
    """An opened zip or tar file."""

    names: list[str]
    """Every plain file that somebody put there, in the archive's order."""

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Damaged]]:
        """The bytes of the wanted files, in the archive's order, one at a time."""
        ...

    def copy(self, name: str, to: Path) -> None:
        """Writes one entry to a file.

        Raises:
            Damaged: it cannot be read.
        """
        ...


class Zip:
    """A zip file."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = ZipFile(path)
            entries = self._zip.infolist()
        except (*DAMAGE, ValueError, UnicodeDecodeError) as error:
            raise Refusal(
                "damaged", f"The zip file cannot be read: {error}.", "Pack it again and send it."
            ) from error
        self._entries: dict[str, ZipInfo] = {}
        checks = Checks()
        for entry in entries:
            mode = entry.external_attr >> 16
            if entry.flag_bits & 0x1:
                raise unsafe("is encrypted")
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise unsafe(f"holds a link or a device, {entry.filename[:80]!r}")
            checks.entry(entry.filename, 0 if entry.is_dir() else entry.file_size)
            if entry.file_size > max(SMALL, MAX_RATIO * entry.compress_size):
                raise unsafe(f"unpacks to more than {MAX_RATIO} times its size (a zip bomb)")
            if not entry.is_dir() and not is_skipped(entry.filename):
                self._entries[entry.filename] = entry
        self.names = list(self._entries)

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Damaged]]:
        """See `Archive`."""
        for name, entry in self._entries.items():
            if wanted(name):
                try:
                    with self._zip.open(entry) as opened:
                        yield name, read(opened, entry.file_size)
                except (*DAMAGE, Damaged) as error:
                    yield name, Damaged(f"it cannot be unpacked ({error})")

    def copy(self, name: str, to: Path) -> None:
        """See `Archive`."""
        try:
            with self._zip.open(self._entries[name]) as opened, to.open("wb") as file:
                copy(opened, file)
        except DAMAGE as error:
            raise Damaged(str(error)) from error


class Tar:
    """A tar file, plain or packed by gzip, bzip2 or xz. It is read from its start each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        checks, self.names = Checks(), []
        try:
            with tarfile.open(path, "r|*") as archive:
                for entry in archive:
                    if not (entry.isreg() or entry.isdir()) or entry.issparse():
                        raise unsafe(f"holds a link or a device, {entry.name[:80]!r}")
                    checks.entry(entry.name, entry.size)
                    if entry.isreg() and not is_skipped(entry.name):
                        self.names.append(entry.name)
        except (tarfile.TarError, *DAMAGE, ValueError, UnicodeDecodeError) as error:
            raise Refusal(
                "damaged", f"The tar file cannot be read: {error}.", "Pack it again and send it."
            ) from error

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Damaged]]:
        """See `Archive`."""
        for entry, opened in self._files():
            if wanted(entry.name):
                try:
                    yield entry.name, read(opened, entry.size)
                except Damaged as error:
                    yield entry.name, error

    def copy(self, name: str, to: Path) -> None:
        """See `Archive`."""
        for entry, opened in self._files():
            if entry.name == name:
                with to.open("wb") as file:
                    copy(opened, file)
                return

    def _files(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
        try:
            with tarfile.open(self._path, "r|*") as archive:
                for entry in archive:
                    opened = archive.extractfile(entry) if entry.isreg() else None
                    if opened is not None and not is_skipped(entry.name):
                        yield entry, opened
                    archive.members = []  # type: ignore[attr-defined]  # it keeps every header
        except (tarfile.TarError, *DAMAGE) as error:
            raise Refusal(
                "damaged", f"The tar file cannot be read: {error}.", "Pack it again and send it."
            ) from error


class Checks:
    """What holds for every entry of an archive."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._total = 0

    def entry(self, name: str, size: int) -> None:
        """Notes an entry.

        Raises:
            Refusal: its name leads elsewhere or came before, or it is too large, or one too many.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        outside = path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0])
        if outside or not name or "\0" in name:
            raise unsafe(f"holds a file whose name leads out of its folder, {name[:80]!r}")
        key = str(path)
        if key in self._seen:
            raise unsafe(f"holds the same name twice, {name[:80]!r}")
        self._seen.add(key)
        self._total += size
        if len(self._seen) > MAX_ENTRIES:
            raise unsafe(f"holds more than {MAX_ENTRIES} entries")
        if size > MAX_ENTRY_BYTES or self._total > MAX_TOTAL_BYTES:
            raise unsafe(
                f"unpacks to more than {MAX_ENTRY_BYTES >> 30} GiB in one entry or "
                f"{MAX_TOTAL_BYTES >> 30} GiB in all"
            )


def is_skipped(name: str) -> bool:
    """Whether nobody put it there on purpose: hidden files, and what file managers leave."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(part.startswith(".") or part.lower() in SKIPPED for part in parts)


def read(opened: IO[bytes], size: int) -> bytes:
    """All of an entry.

    Raises:
        Damaged: it is larger than a picture may be, or than its header says.
    """
    if size > MAX_FILE_BYTES:
        raise Damaged(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    content = opened.read(size + 1)
    if len(content) != size:
        raise Damaged("its size is not the one that its header says")
    return content


def copy(opened: IO[bytes], to: IO[bytes]) -> None:
    """Copies an entry piece by piece.

    Raises:
        Refusal: it unpacks to more than an entry may.
    """
    written = 0
    while piece := opened.read(PIECE):
        written += len(piece)
        if written > MAX_ENTRY_BYTES:
            raise unsafe(f"unpacks to more than {MAX_ENTRY_BYTES >> 30} GiB in one entry")
        to.write(piece)
