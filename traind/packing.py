"""A folder of pictures as one zip file, the same bytes for the same folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Date of every entry: the time of a copy is no part of a dataset."""
PIECE = 2**20
"""Bytes that are copied at once."""


class NothingToPack(Exception):
    """A folder has no files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"There are no files in {folder}.")


@contextmanager
def packed(path: Path) -> Iterator[Path]:
    """The file itself; of a folder, a zip in the temporary folder, which lasts for the block.

    Pictures are compressed already, so the zip stores them as they are: it takes the folder's room.

    Raises:
        NothingToPack: the folder has no files.
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


def _files(folder: Path) -> Iterator[Path]:
    """Every file that is not hidden, in any folder that is not; linked folders are left out."""
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(here, name).is_file():
                yield Path(here, name)
