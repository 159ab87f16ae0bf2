"""Tables that are made up for the tests of their imports."""

import csv
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np

from app.jobspec import DatasetFacts
from tests.unit.imports import pictures
from worker.imports.messages import Imported
from worker.training.dataset import Dataset, TableDescription, load

Row = Sequence[Any]
NAMES = ["age", "job", "smokes", "since", "income", "class"]


class Table(NamedTuple):
    """Column names and rows."""

    names: list[str]
    rows: list[Row]


def people(count: int = 60) -> Table:
    """A number with holes, a category, truth, a date and a large number; the class follows."""
    chance = np.random.default_rng(3)
    rows: list[Row] = []
    for number in range(count):
        age = int(chance.integers(18, 80))
        job = ["nurse", "smith", "cook, head"][number % 3]
        rows.append(
            [
                None if number % 11 == 5 else age,
                job,
                bool(chance.integers(2)),
                f"20{10 + number % 12}-0{1 + number % 9}-15",
                float(round(chance.uniform(1e4, 9e4), 2)),
                "old" if age > 50 else "young",
            ]
        )
    return Table(NAMES, rows)


def as_csv(path: Path, table: Table, encoding: str = "utf-8", **form: Any) -> Path:
    """Truth as Python writes it, and nothing for what is missing."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, **form)
        writer.writerows([table.names, *table.rows])
    return path


def as_json_lines(path: Path, table: Table) -> Path:
    """An object for each row, without what is missing."""
    objects = [
        {name: value for name, value in zip(table.names, row, strict=True) if value is not None}
        for row in table.rows
    ]
    path.write_text("\n".join(json.dumps(each, ensure_ascii=False) for each in objects))
    return path


def as_parquet(path: Path, table: Table, types: Sequence[str]) -> Path:
    """With a type for each column."""
    with duckdb.connect() as connection:
        columns = ", ".join(
            f'"{name}" {kind}' for name, kind in zip(table.names, types, strict=True)
        )
        connection.execute(f"CREATE TABLE made ({columns})")
        connection.executemany(
            f"INSERT INTO made VALUES ({', '.join('?' * len(table.names))})",  # noqa: S608 (question marks)
            table.rows,
        )
        connection.execute(f"COPY made TO '{path}' (FORMAT parquet)")
    return path


imported = partial(pictures.here, kind="table")
"""Imports a table in this process."""
refused = partial(pictures.refused, kind="table")
"""Why the import of a table is refused."""


KEEP = {"table": {"columns": {"number": "number"}}}
"""Options that keep the column `number` of `column_of`."""


def column_of(values: list[Any], tmp_path: Path, **options: Any) -> dict[str, Any] | str:
    """What becomes of a column: its entry in the report, or why it is left out."""
    target = tmp_path / "ds"
    rows = [[value, number, "ab"[number % 2]] for number, value in enumerate(values)]
    done = imported(
        as_csv(tmp_path / "a.csv", Table(["x", "number", "y"], rows)), target, **options
    )
    for each in done.report["columns"]:
        if each["name"] == "x":
            return dict(each)
    (dropped,) = [each["reason"] for each in done.report["dropped"] if each["name"] == "x"]
    return str(dropped)


def described(target: Path) -> TableDescription:
    """What dataset.json says."""
    return msgspec.json.decode((target / "dataset.json").read_bytes(), type=TableDescription)


def loaded(target: Path, done: Imported) -> Dataset:
    """What training maps."""
    return load(target, facts(done))


def facts(done: Imported) -> DatasetFacts:
    """What specs know of it."""
    return DatasetFacts.stored({**done.facts, "id": "ds_people", "version": 1})
