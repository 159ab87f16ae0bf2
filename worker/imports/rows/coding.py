"""Rows of texts as rows of numbers on the disk: numbers as they are, other values by their place
among the column's different ones."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.imports.examples import LeftOut
from worker.imports.names import ClassNames
from worker.imports.preparing import Found
from worker.imports.rows.choosing import Choice, Picked
from worker.imports.rows.files import LISTED, Table
from worker.imports.rows.profiles import number
from worker.imports.tables import part_named
from worker.imports.telling import Teller

BLOCK = 20_000
"""Rows that are in memory at once."""
Numbers = NDArray[np.float64]


class Coded(NamedTuple):
    """The rows of a table that can be examples."""

    found: list[Found]
    values: Numbers
    """(N, columns), mapped from the disk; NaN where a value is missing."""
    dictionaries: list[list[str]]
    """For each column the different texts that its numbers stand for; none for numbers."""
    left_out: list[LeftOut]
    """Rows without a target, or without a part: the first, each with its reason."""
    without: int
    """How many there are."""


def code(table: Table, choice: Choice, scratch: Path, told: Teller) -> Coded:
    """Reads the rows in the order of the file. What a row says follows from its values alone: the
    same rows give the same numbers in whatever file they come.

    Raises:
        Refusal: a class's name cannot be one, or a part is not one.
    """
    dictionaries = [_dictionary(table, each) for each in choice.picked]
    columns = [f"{_number_of(each)} AS v{each.at}" for each in choice.picked]
    about = [choice.target, choice.split, choice.group]
    texts = ", ".join("NULL" if at is None else f"c{at}" for at in about)
    path = scratch / "values"
    found: list[Found] = []
    left_out: list[LeftOut] = []
    classes = ClassNames()
    without = 0
    with path.open("wb") as file:
        for start in range(0, table.rows, BLOCK):
            told(start, table.rows, "rows")
            rows = f"FROM cleaned WHERE rowid >= {start} AND rowid < {start + BLOCK} ORDER BY rowid"
            values = _matrix(table, f"SELECT {', '.join(columns)} {rows}")
            said = table.connection.execute(f"SELECT {texts} {rows}").fetchall()
            for at, (row, (label, split, group)) in enumerate(zip(values, said, strict=True)):
                name = f"row {start + at + 1}"
                if label is None or (choice.split is not None and split is None):
                    without += 1
                    if len(left_out) < LISTED:
                        what = "target" if label is None else "part"
                        left_out.append(LeftOut(name, f"it has no {what}", is_damaged=False))
                    continue
                part = part_named(split or "", "The table")
                digest = sha256(row.tobytes()).digest()
                found.append(
                    Found(len(found), name, classes.of(label), part, group, digest, look=0)
                )
                file.write(row.data)
    shape = (len(found), len(columns))
    values = np.memmap(path, np.float64, "r", shape=shape) if found else np.zeros(shape)
    return Coded(found, values, dictionaries, left_out, without)


def _dictionary(table: Table, picked: Picked) -> list[str]:
    """The different texts of a column, in order; makes the type whose codes are their places."""
    if picked.kind == "number":
        return []
    column = f"c{picked.at}"
    table.connection.execute(
        f"CREATE TYPE texts_{picked.at} AS ENUM "
        f"(SELECT DISTINCT {column} FROM cleaned WHERE {column} IS NOT NULL ORDER BY {column})"
    )
    found = table.connection.execute(
        f"SELECT unnest(enum_range(NULL::texts_{picked.at}))::VARCHAR"
    ).fetchall()
    return [text for (text,) in found]


def _number_of(picked: Picked) -> str:
    column = f"c{picked.at}"
    if picked.kind == "number":
        return number(column)
    return f"enum_code({column}::texts_{picked.at})::DOUBLE"


def _matrix(table: Table, question: str) -> Numbers:
    """(rows, columns); NaN where the answer is NULL."""
    answer = table.connection.execute(question).fetchnumpy()
    columns = [np.ma.filled(each.astype(np.float64), np.nan) for each in answer.values()]
    return np.ascontiguousarray(np.stack(columns, axis=1))
