"""Rows for every table of the store, made of nothing but its columns: also of those to come."""

import random
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    insert,
    select,
)

from app.store import database
from app.store.tables import metadata

ROWS = 3
"""In each table. The first one is null wherever a column may be."""
TEXT = "ünï\u2028code \U0001f40d 'quoted' %s :name \\ \ttab"
JSON_VALUE = {"text": TEXT, "list": [1, 2.5, True, None, {}], "large": 2**80, "tiny": 5e-324}


def fill(connection: Connection, seed: int = 1) -> None:
    """Inserts rows in every table."""
    chance = random.Random(seed)
    for table in metadata.sorted_tables:
        for number in range(ROWS):
            connection.execute(insert(table).values(_row(table, number, chance)))


def content(where: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of traind, in one order on every database."""
    with closing(database.connect(where, create=False)) as opened, opened.read() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.sorted_tables
        }
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def _row(table: Table, number: int, chance: random.Random) -> dict[str, Any]:
    row = {column.name: _value(column, number, chance) for column in table.c}
    if "content" in row and "sha256" in row:
        row["sha256"] = sha256(row["content"]).hexdigest() if row["sha256"] else None
    return row


def _value(column: Column[Any], number: int, chance: random.Random) -> Any:
    for key in column.foreign_keys:
        return _value(key.column, number, chance)
    if column.nullable and number == 0:
        return None
    match column.type:
        case LargeBinary():
            return chance.randbytes(chance.choice([0, 1, 100_000])) + b"\0"
        case JSON():
            return JSON_VALUE
        case Boolean():
            return number % 2 == 0
        case Float():
            return chance.choice([0.1, 1e300, float("inf")])
        case BigInteger():
            return 2**62 + number
        case Integer():
            return number
        case String(length=length):
            text = f"{column.table.name}.{column.name} {number}"
            return text[-length:] if length else text + TEXT
    raise AssertionError(f"no value for {column.type}")
