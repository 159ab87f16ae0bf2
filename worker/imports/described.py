"""Pictures with tables beside them that say what each shows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from app.jobspec.import_options import ImportOptions
from worker.imports import tables
from worker.imports.archives import Archive, Damaged
from worker.imports.examples import Example, LeftOut
from worker.imports.layout import part_of, parts_of, places
from worker.imports.refusals import Refusal
from worker.imports.tables import Columns


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of a file; None where it says nothing."""

    label: str | None
    part: str | None
    group: str | None
    wrong: str | None = None
    """Why the file cannot be used."""


class Described:
    """Files of an archive, each with its row in a table.

    A table names files from its own folder on. A name that leads nowhere is looked for in the whole
    archive, also without its folders or its ending, and counts if one file only is called so. A
    table without a column for the class adds to what the folders say.
    """

    def __init__(
        self, archive: Archive, kind: str, described: list[str], options: ImportOptions
    ) -> None:
        self._archive = archive
        self._tables = set(described)
        self._options = options
        self._places = places(archive.names)
        self._names = Names(name for name in archive.names if name not in self._tables)
        self._rows: dict[str, Row] = {}
        self._missing: list[str] = []
        for name, content in archive.contents(self._tables.__contains__):
            if isinstance(content, Damaged):
                raise Refusal("damaged_table", f"{name}: {content}.", "Pack it again and send it.")
            self._add(name, content)
        self.format = f"{kind} with {parts_of(described[0])[-1]}"
        self.total = len(self._rows)

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """See `Source`."""
        for name in self._missing:
            yield LeftOut(name, "a table names it, and it is not in the archive")
        for name in self._archive.names:
            if name not in self._rows and name not in self._tables:
                yield LeftOut(name, "no table names it", is_damaged=False)
        for name, row in self._rows.items():
            if row.wrong is not None:
                yield LeftOut(name, row.wrong)
        for name, content in self._archive.contents(self._is_usable):
            row = self._rows[name]
            if isinstance(content, Damaged):
                yield LeftOut(name, str(content))
            else:
                yield Example(name, row.label or "", content, row.part, row.group)

    def _is_usable(self, name: str) -> bool:
        return name in self._rows and self._rows[name].wrong is None

    def _add(self, name: str, content: bytes) -> None:
        """Notes the rows of a table."""
        found, records = tables.records(name, content)
        columns = Columns(name, [each for each in found if each is not None], self._options)
        if columns.file is None:
            raise Refusal(
                "no_column",
                f"{name} has no column that is called as the file usually is; it has "
                f"{tables.some(found)}.",
                "Name the column in `file`.",
            )
        folder = PurePosixPath(name).parent
        for record in records:
            named = tables.text(record.get(columns.file)).replace("\\", "/")
            file = self._names.find(folder, named)
            if file is None:
                self._missing.append(named)
                continue
            row = self._row(name, file, record, columns)
            if file in self._rows and self._rows[file] != row:
                row = Row(None, None, None, "tables name it twice, and say different things of it")
            self._rows[file] = row

    def _row(self, table: str, file: str, record: tables.Record, columns: Columns) -> Row:
        if columns.label is not None:
            label = tables.text(record.get(columns.label))
        else:
            label = self._places[file].label if file in self._places else ""
        part = part_of(file)
        if columns.split is not None:
            part = tables.part_named(tables.text(record.get(columns.split)), table)
            if part is None:
                return Row(None, None, None, "the table names no part for it")
        group = tables.text(record.get(columns.group)) if columns.group is not None else ""
        wrong = None if label else "the table gives it no label"
        return Row(label or None, part, group or None, wrong)


class Names:
    """The files of an archive, by whatever a table may call them."""

    def __init__(self, names: Iterator[str]) -> None:
        self._names = set(names)
        counts = Counter(key for name in self._names for key in _keys(name))
        self._by_key = {
            key: name for name in self._names for key in _keys(name) if counts[key] == 1
        }

    def find(self, folder: PurePosixPath, named: str) -> str | None:
        """The file that a table in this folder means, if there is one."""
        path = PurePosixPath(named)
        if not path.name:
            return None
        if (inside := str(folder / path)) in self._names:
            return inside
        return self._by_key.get(path.name)


def _keys(name: str) -> set[str]:
    """A file's name without its folders, with and without its ending."""
    path = PurePosixPath(name)
    return {path.name, path.stem}
