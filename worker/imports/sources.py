"""From an uploaded file to its examples. Its first bytes say what it is, not its name."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.jobspec.import_options import ImportOptions
from app.option_words import TARGET
from worker.imports import array_files, tables
from worker.imports.archives import Archive, Damaged
from worker.imports.described import Described
from worker.imports.examples import Example, LeftOut, Source
from worker.imports.layout import places
from worker.imports.parquet import Parquet
from worker.imports.refusals import Refusal
from worker.imports.tars import OPENERS, Tar
from worker.imports.zips import Zip

WORKBOOK = "xl/workbook.xml"
"""A file that every workbook of Excel has."""
ROWS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
"""Endings of tables."""
TAR_MAGIC = 257
"""Where a tar file says `ustar`."""


@contextmanager
def opened(
    path: Path, options: ImportOptions, scratch: Path, memory_mb: int | None = None
) -> Iterator[Source]:
    """The examples of a file; `scratch` is a folder for what must be unpacked. `memory_mb` is the
    import's limit.

    Raises:
        Refusal: it is of no known kind, or cannot be used.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        with closing(Zip(path)) as archive:
            yield _of_archive(archive, "zip", options, scratch)
    elif head[:4] == b"PAR1":
        with closing(Parquet(path, options, memory_mb)) as table:
            yield table
    elif head[TAR_MAGIC : TAR_MAGIC + 5] == b"ustar" or head.startswith(tuple(OPENERS)):
        yield _of_archive(Tar(path), "tar", options, scratch)
    else:
        raise Refusal(
            "unknown_format",
            "The file is no zip, tar, Parquet or npz.",
            "Send a zip or tar of pictures in a folder for each class, Parquet as on the Hub, or "
            f"npz. Of a table in CSV or JSON, name the column of the classes: {TARGET}.",
        )


def _of_archive(archive: Archive, kind: str, options: ImportOptions, scratch: Path) -> Source:
    arrays = array_files.found(archive, scratch)
    described = [name for name in archive.names if tables.is_table(name)]
    if arrays is None and described:
        return Described(archive, kind, described, options)
    found = arrays or Folders(archive, kind)
    if isinstance(found, Folders):
        _refuse_tables(list(found.places or archive.names), archive.names)
    named = (options.file, options.label, options.parts.split, options.parts.group)
    if any(column is not None for column in named):
        raise Refusal(
            "no_table",
            "The options name a column, and there is no table beside the pictures.",
            "Pack a metadata.csv with the columns file_name and label beside the pictures.",
        )
    return found


def _refuse_tables(names: list[str], every: list[str]) -> None:
    """Refuses an archive of tables alone, as datasets of the Hub have them, and a workbook of
    Excel, which is a zip; beside pictures they are left out like any other file.

    Raises:
        Refusal: all names are of such files.
    """
    if WORKBOOK in every:
        raise Refusal(
            "unknown_format",
            "The file is a workbook of Excel, which is not read.",
            f"Save its sheet as CSV in UTF-8, and name the column of the classes: {TARGET}.",
        )
    if names and all(name.lower().endswith(ROWS) for name in names):
        raise Refusal(
            "unknown_format",
            f"What was packed is a table ({names[0]}), which is not read in a folder or archive.",
            f"Send the file itself, and name the column of the classes: {TARGET}.",
        )
    if names and all(name.lower().endswith(".parquet") for name in names):
        raise Refusal(
            "unknown_format",
            f"What was packed is Parquet ({names[0]}), which is not read in a folder or an "
            "archive.",
            "Send one Parquet file itself. Several are made one first, in pandas by pd.concat and "
            "to_parquet.",
        )


class Folders:
    """Pictures in a folder for each class."""

    def __init__(self, archive: Archive, kind: str) -> None:
        self._archive = archive
        self.places = places(archive.names)
        self.format = kind
        self.total = len(archive.names)

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """See `Source`."""
        for name in self._archive.names:
            if name not in self.places:
                yield LeftOut(name, "it lies in no folder of a class", is_damaged=False)
        for name, content in self._archive.contents(self.places.__contains__):
            if isinstance(content, Damaged):
                yield LeftOut(name, str(content))
            else:
                label, part = self.places[name]
                yield Example(name, label, content, part)
