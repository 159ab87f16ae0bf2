"""Parquet as the Hugging Face Hub has it: a column of pictures, each `{bytes, path}`, and a label.

DuckDB reads it. It holds 2,048 rows at a
time, so that files of large photos may need more than there is; these are refused.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from app.jobspec.import_options import ImportOptions
from app.option_words import TARGET
from worker.imports import database, parquet_columns
from worker.imports.examples import Example, LeftOut
from worker.imports.parquet_columns import ParquetColumn
from worker.imports.refusals import Refusal
from worker.imports.tables import LABEL_COLUMNS, Columns, part_named, some, text

ROWS = 256
"""Most rows that are fetched together."""
FETCHED_BYTES = 2**24
"""About as many bytes are fetched together."""
LABELS = {
    "VARCHAR",
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}
"""DuckDB's types of columns that can name classes, beside ENUM."""
IMAGE_COLUMNS = {"image", "img", "picture"}
"""Usual names of the column of pictures."""
SIGNED_MISSING = -1
"""The Hub's label of a picture without one."""


class Parquet:
    """The rows of a Parquet file."""

    format = "Parquet"

    def __init__(self, path: Path, options: ImportOptions, memory_mb: int | None) -> None:
        self._path = str(path)
        self._options = options
        self._database = database.opened(path, memory_mb=memory_mb)
        try:
            self._look(path)
        except Refusal:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _look(self, path: Path) -> None:
        """Finds out what the columns are."""
        options = self._options
        with _refusing():
            found = parquet_columns.of_file(self._database, path)
        columns: dict[str, ParquetColumn] = {}
        for each in found:  # one whose very name comes again is called as DuckDB does
            columns[each.asked if each.name in columns else each.name] = each
        self._asked = {name: each.asked for name, each in columns.items()}
        ((self.total,),) = self._ask("SELECT count(*) FROM read_parquet(?)")
        told = self._ask("SELECT value FROM parquet_kv_metadata(?) WHERE key = 'huggingface'")
        row_bytes = path.stat().st_size // max(1, self.total)
        self._rows = max(1, min(ROWS, FETCHED_BYTES // max(1, row_bytes)))
        types = {name: each.kind for name, each in columns.items()}
        self._image = _image_column(types, options.file)
        others = [name for name, kind in types.items() if _names_classes(kind)]
        _refuse_bytes(types, self._image, options.label)
        known = Columns("The Parquet file", others, _without_file(options))
        if known.label is None:
            raise _no_column("no column that is called as the label usually is", types, "label")
        self._label, self._split, self._group = known.label, known.split, known.group
        self._names = _class_names(told, self._label)

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """See `Source`."""
        columns = [self._image, self._label, self._split, self._group]
        asked = ", ".join(
            "NULL" if each is None else database.identifier(self._asked[each]) for each in columns
        )
        question = f"SELECT {asked} FROM read_parquet(?)"  # noqa: S608 (quoted)
        number = 0
        with _refusing():
            found = self._database.execute(question, [self._path])
            while some := found.fetchmany(self._rows):
                for image, label, split, group in some:
                    yield self._example(number, image, label, split, group)
                    number += 1

    def _example(
        self, number: int, image: Any, label: Any, split: Any, group: Any
    ) -> Example | LeftOut:
        name = f"row {number}"
        if isinstance(image, dict):
            name = str(image.get("path") or name)
            image = image.get("bytes")
        if not isinstance(image, bytes) or not image:
            return LeftOut(name, "it has no bytes")
        called = text(label)
        if self._names is not None and isinstance(label, int):
            called = self._names[label] if 0 <= label < len(self._names) else ""
        if not called or label == SIGNED_MISSING:
            return LeftOut(name, "it has no label", is_damaged=False)
        part = part_named(text(split), "The Parquet file")
        if part is None and self._split is not None:
            return LeftOut(name, "the table names no part for it", is_damaged=False)
        return Example(name, called, image, part, text(group) or None)

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        with _refusing():
            return self._database.execute(question, [self._path]).fetchall()


def _refusing() -> AbstractContextManager[None]:
    return database.refusing(
        "The Parquet file",
        "Parquet is read 2,048 rows at a time: make the pictures smaller, or send them as a zip of "
        "files, which takes hardly any memory.",
    )


def _names_classes(kind: str) -> bool:
    return kind in LABELS or kind.startswith("ENUM")


def _without_file(options: ImportOptions) -> ImportOptions:
    """Here `file` names the column of the pictures."""
    return options.model_copy(update={"file": None})


def _image_column(types: dict[str, str], wanted: str | None) -> str:
    """The column of pictures: the one that is called so, or else the first that may be one."""
    usable = [
        name
        for name, kind in types.items()
        if kind == "BLOB" or (kind.startswith("STRUCT(") and "bytes BLOB" in kind)
    ]
    if wanted is not None:
        usable = [name for name in usable if name == wanted]
    usable.sort(key=lambda name: (name.lower() not in IMAGE_COLUMNS, name not in IMAGE_COLUMNS))
    if not usable and wanted is None:
        raise Refusal(
            "no_column",
            "The Parquet file has no column of pictures ({bytes, path}, or bytes); it has "
            f"{_some(types)}.",
            "Pictures need a column that holds the bytes of each file. Of a table, name the column "
            f"of the classes: {TARGET}.",
        )
    if not usable:
        raise _no_column(
            f"no column {wanted!r} of pictures ({{bytes, path}}, or bytes)", types, "file"
        )
    return usable[0]


def _refuse_bytes(types: dict[str, str], image: str, wanted: str | None) -> None:
    """Refuses a column of labels that are bytes: nothing says which texts they mean.

    Raises:
        Refusal: it is the one that is wanted or, if none is, that is called as it usually is.
    """
    called = [wanted] if wanted is not None else LABEL_COLUMNS
    texts = {name.lower() for name, kind in types.items() if _names_classes(kind)}
    if wanted is None and texts.intersection(called):
        return
    for name, kind in types.items():
        if kind == "BLOB" and name != image and (name in called or name.lower() in called):
            raise Refusal(
                "no_column",
                f"The values of the column {name!r} are bytes, which name no class.",
                f"In pandas, df[{name!r}].str.decode('utf-8') makes texts of them.",
            )


def _class_names(told: list[tuple[Any, ...]], label: str) -> list[str] | None:
    """What the numbers of the label mean, where the Hub's own metadata say it."""
    for (value,) in told:
        try:
            names = json.loads(value)["info"]["features"][label]["names"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(names, list):
            return [str(name) for name in names]
    return None


def _no_column(what: str, types: dict[str, str], option: str) -> Refusal:
    return Refusal(
        "no_column", f"The table has {what}; it has {_some(types)}.", f"Name one in `{option}`."
    )


def _some(types: dict[str, str]) -> str:
    return some([f"{name[:60]} ({kind[:40]})" for name, kind in types.items()])
