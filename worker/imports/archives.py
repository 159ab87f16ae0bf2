"""What holds for every archive, zip or tar: files are read one by one, never unpacked by name.

An archive that holds what no packing of pictures has is refused as a whole: links, devices and
sparse files, absolute names and names with `..`, the same name twice, encrypted entries, and bombs.
A bomb is an entry that claims more than `MAX_RATIO` times its packed size, more than `MAX_ENTRIES`
entries, or too many bytes: in one entry, in all, or beyond `MAX_RATIO` times the archive's size.
What entries claim is checked first, and what they really unpack to is counted as well. A single
damaged file is left out.
"""

import errno
import lzma
import re
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from zipfile import BadZipFile

from worker.imports.refusals import Refusal, unsafe

MAX_ENTRIES = 1_000_000
MAX_ENTRY_BYTES = 2**35
"""Most bytes of one entry: an array in an npz is the largest that is read."""
MAX_FILE_BYTES = 2**28
"""Most bytes of a picture or a table; these are read into memory."""
MAX_TOTAL_BYTES = 2**39
"""Most bytes of all entries, unpacked."""
MAX_RATIO = 200
"""Honest pictures hardly shrink; deflate cannot shrink anything by more than 1,032."""
SMALL = 2**22
"""Up to this many bytes an entry may shrink to any size."""
SMALL_ARCHIVE = 2**28
"""Bytes that every archive may unpack to, however small it is."""
PIECE = 2**20

DAMAGE = (
    BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
    OverflowError,
    IndexError,
    struct.error,
    RecursionError,
)
"""What the standard library raises when an archive is damaged."""
FAULTS_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}

SKIPPED = {"__macosx", "thumbs.db", "desktop.ini"}
"""What file managers leave behind, in small letters."""
DRIVE = re.compile(r"[A-Za-z]:")


class Damaged(Exception):
    """An entry cannot be read."""


class Archive(Protocol):
    """An opened zip or tar file."""

    names: list[str]
    """Every file that somebody put there, in the archive's order, with `/` between folders."""

    def contents(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Damaged]]:
        """The bytes of the wanted files, in the archive's order, one at a time.

        Raises:
            Refusal: the archive is damaged as a whole, or a bomb.
        """
        ...

    def copy(self, name: str, to: Path) -> None:
        """Writes one entry to a file.

        Raises:
            Damaged: it cannot be read.
            Refusal: the archive is damaged as a whole, or a bomb.
        """
        ...


class Checks:
    """Checks entries by what their headers say."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._count = 0
        self._total = 0

    def entry(self, name: str, size: int, *, is_folder: bool = False) -> str:
        """The name of an entry, with `/` between folders. Folders may come twice.

        Raises:
            Refusal: its name leads elsewhere or came before, or it is too large, or one too many.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        if (
            path.is_absolute()
            or ".." in path.parts
            or DRIVE.match(name)
            or "\0" in name
            or not name
        ):
            raise unsafe(f"holds a file whose name leads out of its folder, {name[:80]!r}")
        self._count += 1
        self._total += size
        if self._count > MAX_ENTRIES:
            raise unsafe(f"holds more than {MAX_ENTRIES} entries")
        if size < 0 or size > MAX_ENTRY_BYTES or self._total > MAX_TOTAL_BYTES:
            raise unsafe(
                f"unpacks to more than {MAX_ENTRY_BYTES >> 30} GiB in one entry or "
                f"{MAX_TOTAL_BYTES >> 30} GiB in all"
            )
        if not is_folder:
            if str(path) in self._seen:
                raise unsafe(f"holds the same name twice, {name[:80]!r}")
            self._seen.add(str(path))
        return str(path)


class Unpacked:
    """Counts the bytes that come out of an archive while it is read once."""

    def __init__(self, archive_bytes: int) -> None:
        self._left = SMALL_ARCHIVE + MAX_RATIO * archive_bytes

    def add(self, count: int) -> None:
        """Counts bytes.

        Raises:
            Refusal: they are too many for the archive's size.
        """
        self._left -= count
        if self._left < 0:
            raise unsafe(f"unpacks to more than {MAX_RATIO} times its size (a bomb)")


def is_skipped(name: str) -> bool:
    """Whether nobody put it there on purpose: hidden files, and what file managers leave."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part.lower() in SKIPPED for part in parts)


def raise_fault_of_machine(error: BaseException) -> None:
    """Raises the error again if the machine is at fault and not the archive: a full disk, say."""
    if isinstance(error, OSError) and error.errno in FAULTS_OF_THE_MACHINE:
        raise error


def damaged(kind: str, error: Exception) -> Refusal:
    """The refusal of an archive that cannot be read as a whole."""
    raise_fault_of_machine(error)
    return Refusal(
        "damaged_file",
        f"The {kind} file cannot be read: {error or type(error).__name__}.",
        "Pack it again and send it.",
    )


def read(opened: IO[bytes], size: int) -> bytes:
    """All of an entry.

    Raises:
        Damaged: it is larger than a picture may be, or its size is not `size`.
    """
    if size > MAX_FILE_BYTES:
        raise Damaged(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    content = opened.read(size + 1)
    if len(content) != size:
        raise Damaged("its size is not the one that its header says")
    return content


def copy(opened: IO[bytes], to: IO[bytes], unpacked: Unpacked) -> None:
    """Copies an entry piece by piece, and counts it.

    Raises:
        Refusal: it unpacks to too much.
    """
    while piece := opened.read(PIECE):
        unpacked.add(len(piece))
        to.write(piece)
