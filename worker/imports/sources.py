"""From an uploaded file to its examples. Its first bytes say what it is, not its name."""

from collections.abc import Iterator
from pathlib import Path

from app.jobspec.import_options import ImportOptions
from worker.imports import array_files, tables
from worker.imports.archives import Archive, Damaged, Tar, Zip
from worker.imports.examples import Example, LeftOut, Source
from worker.imports.layout import parts_of, places
from worker.imports.parquet import Parquet
from worker.imports.refusals import Refusal
from worker.imports.tables import Row

TAR_MAGIC = 257
"""Where a tar file says `ustar`."""
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
"""gzip, bzip2 and xz."""


def opened(path: Path, options: ImportOptions, scratch: Path) -> Source:
    """The examples of a file; `scratch` is a folder for what must be unpacked.

    Raises:
        Refusal: it is of no known kind, or cannot be used.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return _of_archive(Zip(path), "zip", options, scratch)
    if head[:4] == b"PAR1":
        return Parquet(path, options)
    if head[TAR_MAGIC : TAR_MAGIC + 5] == b"ustar" or head.startswith(PACKED):
        return _of_archive(Tar(path), "tar", options, scratch)
    raise Refusal(
        "unknown_format",
        "The file is no zip, tar, Parquet or npz.",
        "Send a zip or tar of pictures in a folder for each class, Parquet as on the Hub, or npz.",
    )


def _of_archive(archive: Archive, kind: str, options: ImportOptions, scratch: Path) -> Source:
    if arrays := array_files.found(archive, scratch):
        return arrays
    described = [name for name in archive.names if tables.is_table(name)]
    if described:
        return Described(archive, kind, described, options)
    return Folders(archive, kind)


class Folders:
    """Pictures in a folder for each class."""

    def __init__(self, archive: Archive, kind: str) -> None:
        self._archive = archive
        self._places = places(archive.names)
        self.format = kind
        self.total = len(archive.names)

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """See `Source`."""
        for name in self._archive.names:
            if name not in self._places:
                yield LeftOut(name, "it lies in no folder of a class")
        for name, content in self._archive.contents(self._places.__contains__):
            if isinstance(content, Damaged):
                yield LeftOut(name, str(content))
            else:
                label, part = self._places[name]
                yield Example(name, label, content, part)


class Described:
    """Pictures with tables beside them that say what each shows."""

    def __init__(
        self, archive: Archive, kind: str, described: list[str], options: ImportOptions
    ) -> None:
        self._archive = archive
        self._rows: dict[str, Row] = {}
        for name, content in archive.contents(described.__contains__):
            if isinstance(content, Damaged):
                raise Refusal("damaged_table", f"{name}: {content}.", "Pack it again and send it.")
            self._rows |= tables.rows(name, content, options)
        self._tables = set(described)
        self.format = f"{kind} with {parts_of(described[0])[-1]}"
        self.total = len(self._rows)

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """See `Source`."""
        there = {"/".join(parts_of(name)): name for name in self._archive.names}
        for name in self._rows:
            if name not in there:
                yield LeftOut(name, "the table names it, and it is not there")
        for name in self._archive.names:
            if "/".join(parts_of(name)) not in self._rows and name not in self._tables:
                yield LeftOut(name, "no table names it")
        for name, content in self._archive.contents(lambda name: name not in self._tables):
            row = self._rows.get("/".join(parts_of(name)))
            if row is None:
                continue
            if isinstance(content, Damaged):
                yield LeftOut(name, str(content))
            elif row.label is None:
                yield LeftOut(name, "the table gives it no label")
            else:
                yield Example(name, row.label, content, row.part, row.group)
