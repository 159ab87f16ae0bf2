"""A folder of pictures as one zip file, the same bytes for the same folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from traind.as_json import is_utf8

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Date of every entry: the time of a copy is no part of a dataset."""
PIECE = 2**20
"""Bytes that are copied at once."""


Identity = tuple[int, int]
"""What tells a folder from all others, whatever links lead to it: its device and its number."""


class CannotPack(Exception):
    """A folder holds what a zip cannot; the message names it and says why."""

    def __init__(self, path: Path, reason: str) -> None:
        # Bytes that are no UTF-8 are shown as \xff: the message can be printed anywhere.
        name = os.fsencode(path).decode(errors="backslashreplace")
        super().__init__(f"{name} {reason}")


class NothingToPack(CannotPack):
    """A folder has no files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "has no files that are not hidden.")


@contextmanager
def packed(path: Path) -> Iterator[Path]:
    """The file itself; of a folder, a zip in the temporary folder, which lasts for the block.

    Pictures are compressed already, so the zip stores them as they are: it takes the folder's room.

    Raises:
        CannotPack: the folder has no files, or holds what a zip cannot.
        OSError: something cannot be read, or there is no room for the zip.
    """
    if not path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="traind-") as temporary:
        archive = Path(temporary) / "packed.zip"
        _pack(path, archive)
        yield archive


def _pack(folder: Path, archive: Path) -> None:
    files = sorted(_files(folder))
    if not files:
        raise NothingToPack(folder)
    with ZipFile(archive, "w", ZIP_STORED) as packing:
        for file in files:
            entry = ZipInfo(file.relative_to(folder).as_posix(), EARLIEST)
            entry.file_size = file.stat().st_size  # beyond 2 GiB the entry needs another form
            with file.open("rb") as source, packing.open(entry, "w") as target:
                while piece := source.read(PIECE):
                    target.write(piece)


def _files(folder: Path, above: frozenset[Identity] = frozenset()) -> Iterator[Path]:
    """Every file that is not hidden, in any folder that is not; links are followed.

    `above` are the folders that this one is in. What cannot be packed is refused: a dataset that
    lacks a class without a word is worse than none.

    Raises:
        CannotPack: a name is not UTF-8, a link is broken or leads back to a folder that it is in,
            or something is neither a file nor a folder.
        OSError: a folder cannot be read.
    """
    found = folder.stat()
    within = above | {(found.st_dev, found.st_ino)}
    if within == above:
        raise CannotPack(folder, "leads back to a folder that it is in: remove this link.")
    for each in folder.iterdir():
        if each.name.startswith("."):
            continue
        if not is_utf8(each.name):
            raise CannotPack(each, "has a name that is not UTF-8: rename it.")
        if each.is_dir():
            yield from _files(each, within)
        elif each.is_file():
            yield each
        elif each.is_symlink():
            raise CannotPack(each, "is a broken link: mend or remove it.")
        else:
            raise CannotPack(each, "is neither a file nor a folder: remove it.")
