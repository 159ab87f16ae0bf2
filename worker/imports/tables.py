"""A table beside the pictures of an archive: which file shows what, and which part it is for.

Read are CSV (delimiter and encoding found), tab-separated values and JSON lines. Everything in it
is text: a formula of a spreadsheet is a text like any other.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.jobspec.import_options import ImportOptions
from app.rows.delimited import decoded, found_delimiter
from worker.imports.examples import PART_NAMES
from worker.imports.refusals import Refusal

STEMS = ("metadata", "labels", "annotations")
KINDS = ("csv", "tsv", "jsonl")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_path", "name", "id")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "target", "category")
"""Usual names of columns; the first that is there counts."""
SPLIT_COLUMN = "split"
MOST_NAMED = 20
"""Most columns that a refusal names."""
LONGEST_NAMED = 110
"""Most characters of each; Parquet's with their type."""

Record = Mapping[Any, Any]


class Columns:
    """Which column of a table says what.

    Raises:
        Refusal: a column is missing that is needed, or that the options name.
    """

    def __init__(self, name: str, columns: Sequence[str], options: ImportOptions) -> None:
        self._name, self._columns = name, columns
        self.file = self._named(options.file) or self._usual(FILE_COLUMNS)
        self.label = self._named(options.label) or self._usual(LABEL_COLUMNS)
        self.split = self._named(options.parts.split) or self._usual((SPLIT_COLUMN,))
        self.group = self._named(options.parts.group)

    def _named(self, wanted: str | None) -> str | None:
        if wanted is None or wanted in self._columns:
            return wanted
        there = some(self._columns)
        raise Refusal(
            "no_column",
            f"{self._name} has no column {wanted!r}; it has {there}.",
            "Name one of it.",
        )

    def _usual(self, names: Sequence[str]) -> str | None:
        lower = {column.strip().lower(): column for column in reversed(self._columns)}
        lower |= {column: column for column in self._columns}  # `label` wins over `Label`
        return next((lower[name] for name in names if name in lower), None)


def some(columns: Sequence[str]) -> str:
    """The first columns, for people, and how many there are besides."""
    more = f" and {len(columns) - MOST_NAMED} more" if len(columns) > MOST_NAMED else ""
    return (", ".join(column[:LONGEST_NAMED] for column in columns[:MOST_NAMED]) or "none") + more


def is_table(name: str) -> bool:
    """Whether a file of an archive is a table of the others, by its name."""
    stem, _, kind = name.rsplit("/", maxsplit=1)[-1].lower().rpartition(".")
    return stem in STEMS and kind in KINDS


def text(value: Any) -> str:
    """A value of a table as a class is called; a whole number has no decimals."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")  # other bytes are another text
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def part_named(value: str, table: str) -> str | None:
    """The part that a column names; None where it is empty.

    Raises:
        Refusal: there is no such part.
    """
    if not value:
        return None
    if value.lower() not in PART_NAMES:
        raise Refusal(
            "unknown_part",
            f"{table} names a part {value[:80]!r}.",
            "Parts are train, validation and test; name the column with parts.split.",
        )
    return PART_NAMES[value.lower()]


def records(name: str, content: bytes) -> tuple[list[str], list[Record]]:
    """The columns of a table, and its rows.

    Raises:
        Refusal: it cannot be read.
    """
    try:
        told = decoded(content)
        if name.lower().endswith(".jsonl"):
            return _json_lines(told)
        rows = csv.DictReader(
            io.StringIO(told, newline=""), delimiter=found_delimiter(told), strict=True
        )
        return list(rows.fieldnames or []), list(rows)
    except (csv.Error, ValueError, RecursionError) as error:
        raise Refusal(
            "damaged_table",
            f"{name} cannot be read: {error}.",
            "Save it as CSV in UTF-8 with a header.",
        ) from error


def _json_lines(told: str) -> tuple[list[str], list[Record]]:
    rows: list[Record] = []
    columns: dict[str, None] = {}
    for line in told.split("\n"):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("a line holds no object")
            rows.append(row)
            columns |= dict.fromkeys(row)
    return list(columns), rows
