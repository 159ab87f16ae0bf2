"""The columns of a Parquet file: what the file calls them, and what DuckDB does."""

from pathlib import Path
from typing import NamedTuple

import duckdb


class ParquetColumn(NamedTuple):
    """A column of the highest level."""

    name: str
    """Its name in the file."""
    asked: str
    """Its name in a question. DuckDB tells no case apart: `label` beside `Label` is `label_1`."""
    kind: str
    """DuckDB's type."""


def of_file(connection: duckdb.DuckDBPyConnection, path: Path) -> list[ParquetColumn]:
    """The columns in the order of the file.

    Raises:
        duckdb.Error: it is damaged.
    """
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)])
    columns = described.fetchall()
    names = _names(connection, path)
    return [
        ParquetColumn(name, asked, kind)
        for name, (asked, kind, *_) in zip(names, columns, strict=True)
    ]


def _names(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    question = "SELECT name, coalesce(num_children, 0) FROM parquet_schema(?)"
    (_, count), *elements = connection.execute(question, [str(path)]).fetchall()
    names = []
    at = 0
    for _ in range(count):
        names.append(str(elements[at][0]))
        below = 1  # elements of this column that are still to come, depth first
        while below:
            below += elements[at][1] - 1
            at += 1
    return names
