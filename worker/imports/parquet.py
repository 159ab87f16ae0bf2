"""Parquet as the Hugging Face Hub has it: a column of pictures, each `{bytes, path}`, and a label.

DuckDB reads it, within a memory limit and with no other file in reach.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from app.jobspec.import_options import ImportOptions
from worker.imports.examples import Example, LeftOut
from worker.imports.refusals import Refusal
from worker.imports.tables import LABEL_COLUMNS, SPLIT_COLUMN, part_named, text

ROWS = 256
"""Rows that are fetched together."""
MEMORY = "512MB"


class Parquet:
    """The rows of a Parquet file."""

    format = "Parquet"

    def __init__(self, path: Path, options: ImportOptions) -> None:
        self._path = str(path)
        self._database = duckdb.connect(config={"threads": 1, "memory_limit": MEMORY})
        self._database.execute(f"SET allowed_directories = [{_quoted(str(path.parent))}]")
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")
        try:
            described = self._ask("DESCRIBE SELECT * FROM read_parquet(?)")
            ((self.total,),) = self._ask("SELECT count(*) FROM read_parquet(?)")
            told = self._ask("SELECT value FROM parquet_kv_metadata(?) WHERE key = 'huggingface'")
        except duckdb.Error as error:
            raise _damaged(error) from error
        types = {name: kind for name, kind, *_ in described}
        self._image = self._image_column(types, options.file)
        self._label = self._label_column(types, options.label)
        self._split = options.parts.split or (SPLIT_COLUMN if SPLIT_COLUMN in types else None)
        self._group = options.parts.group
        for column in (self._split, self._group):
            if column is not None and column not in types:
                raise _no_column(f"no column {column!r}", types, "parts.split or parts.group")
        self._names = _class_names(told, self._label)

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """See `Source`."""
        columns = [self._image, self._label, self._split, self._group]
        asked = ", ".join("NULL" if each is None else _identifier(each) for each in columns)
        try:
            found = self._database.execute(
                f"SELECT {asked} FROM read_parquet(?)",  # noqa: S608 (quoted)
                [self._path],
            )
            number = 0
            while some := found.fetchmany(ROWS):
                for image, label, split, group in some:
                    yield self._example(number, image, label, split, group)
                    number += 1
        except duckdb.Error as error:
            raise _damaged(error) from error

    def _example(
        self, number: int, image: Any, label: Any, split: Any, group: Any
    ) -> Example | LeftOut:
        name = f"row {number}"
        if isinstance(image, dict):
            name = str(image.get("path") or name)
            image = image.get("bytes")
        if not image:
            return LeftOut(name, "it has no bytes")
        called = text(label)
        if self._names is not None and isinstance(label, int):
            called = self._names[label] if 0 <= label < len(self._names) else ""
        if not called:
            return LeftOut(name, "it has no label")
        part = part_named(text(split), f"the column {self._split}")
        return Example(name, called, bytes(image), part, text(group) if self._group else None)

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        return self._database.execute(question, [self._path]).fetchall()

    @staticmethod
    def _image_column(types: dict[str, str], wanted: str | None) -> str:
        usable = [
            name
            for name, kind in types.items()
            if kind == "BLOB" or (kind.startswith("STRUCT(") and "bytes BLOB" in kind)
        ]
        if wanted is None and usable:
            return usable[0]
        if wanted in usable:
            return wanted
        raise _no_column("no column of pictures ({bytes, path}, or bytes)", types, "file")

    @staticmethod
    def _label_column(types: dict[str, str], wanted: str | None) -> str:
        for name in types:
            if name == wanted or (wanted is None and name.lower() in LABEL_COLUMNS):
                return name
        raise _no_column("no column that is called as the label usually is", types, "label")


def _class_names(told: list[tuple[Any, ...]], label: str) -> list[str] | None:
    """What the numbers of the label mean, where the Hub's own metadata say it."""
    for (value,) in told:
        try:
            names = json.loads(value)["info"]["features"][label]["names"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(names, list):
            return [str(name) for name in names]
    return None


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _damaged(error: Exception) -> Refusal:
    return Refusal(
        "damaged",
        f"The Parquet file cannot be read: {str(error).splitlines()[0]}",
        "Write it again and send it.",
    )


def _no_column(what: str, types: dict[str, str], option: str) -> Refusal:
    there = ", ".join(f"{name} ({kind[:40]})" for name, kind in list(types.items())[:20])
    return Refusal(
        "no_column", f"The table has {what}; it has {there}.", f"Name one in `{option}`."
    )
