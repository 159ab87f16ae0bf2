"""A table beside the pictures of an archive: which file shows what, and which part it is for.

Read are CSV (delimiter and encoding found), tab-separated values and JSON lines. Everything in it
is text: a formula of a spreadsheet is a text like any other.
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from app.jobspec.import_options import ImportOptions
from worker.imports.examples import PART_NAMES
from worker.imports.layout import parts_of
from worker.imports.refusals import Refusal

NAMES = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "labels.csv", "labels.tsv")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_path", "name", "id")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "target", "category", "y")
SPLIT_COLUMN = "split"


@dataclass(frozen=True)
class Row:
    """What a table says of a file; None where it says nothing."""

    label: str | None
    part: str | None
    group: str | None


def is_table(name: str) -> bool:
    """Whether a file of an archive is a table of the others."""
    return parts_of(name)[-1].lower() in NAMES


def rows(name: str, content: bytes, options: ImportOptions) -> dict[str, Row]:
    """What a table says of each file, by the file's name in the archive.

    A table names files from its own folder on. One in a folder that is called as a part says what
    that part's files show.

    Raises:
        Refusal: it cannot be read, or lacks a column.
    """
    records = _records(name, content)
    columns = list(records[0]) if records else []
    file = _column(name, columns, options.file, FILE_COLUMNS, "file")
    label = _column(name, columns, options.label, LABEL_COLUMNS, "label")
    split = options.parts.split or (SPLIT_COLUMN if SPLIT_COLUMN in columns else None)
    for wanted in (split, options.parts.group):
        if wanted is not None and wanted not in columns:
            raise _missing(name, wanted, columns)
    folder = PurePosixPath(*parts_of(name)[:-1])
    of_folder = PART_NAMES.get(folder.name.lower())
    found = {}
    for record in records:
        path = str(folder / text(record.get(file)).replace("\\", "/"))
        part = of_folder if split is None else part_named(text(record.get(split)), name)
        group = None if options.parts.group is None else text(record.get(options.parts.group))
        found[path] = Row(text(record.get(label)) or None, part, group)
    return found


def text(value: Any) -> str:
    """A value of a table as a class is called; a whole number has no decimals."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def part_named(value: str, name: str) -> str | None:
    """The part that a column names; None where it is empty.

    Raises:
        Refusal: there is no such part.
    """
    if not value:
        return None
    if value.lower() not in PART_NAMES:
        raise Refusal(
            "unknown_part",
            f"{name} names a part {value[:80]!r}.",
            "Parts are train, validation and test; name the column with parts.split.",
        )
    return PART_NAMES[value.lower()]


def _records(name: str, content: bytes) -> list[Mapping[str, Any]]:
    try:
        told = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        told = content.decode("latin-1")
    try:
        if name.lower().endswith(".jsonl"):
            lines = [json.loads(line) for line in told.splitlines() if line.strip()]
            return [line for line in lines if isinstance(line, dict)]
        dialect: Any = "excel-tab" if name.lower().endswith(".tsv") else _dialect(told)
        return list(csv.DictReader(io.StringIO(told, newline=""), dialect=dialect))
    except (csv.Error, ValueError, RecursionError) as error:
        raise Refusal(
            "damaged_table", f"{name} cannot be read: {error}.", "Save it as CSV with a header."
        ) from error


def _dialect(told: str) -> Any:
    try:
        return csv.Sniffer().sniff(told[:65536], ",;\t|")
    except csv.Error:  # a single column, or quotes that it does not understand
        return "excel"


def _column(
    name: str, columns: list[str], wanted: str | None, usual: tuple[str, ...], what: str
) -> str:
    if wanted is not None:
        if wanted not in columns:
            raise _missing(name, wanted, columns)
        return wanted
    for column in usual:
        for there in columns:
            if str(there).strip().lower() == column:
                return there
    raise Refusal(
        "no_column",
        f"{name} has no column that is called as the {what} usually is; it has "
        f"{', '.join(map(str, columns[:20])) or 'none'}.",
        f"Name the column in `{what}`.",
    )


def _missing(name: str, wanted: str, columns: list[str]) -> Refusal:
    return Refusal(
        "no_column",
        f"{name} has no column {wanted!r}; it has {', '.join(map(str, columns[:20])) or 'none'}.",
        "Name one of these.",
    )
