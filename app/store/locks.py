"""Rows that a write decides by, held until it ends: PostgreSQL has many writers, SQLite one.

Transactions take jobs first, then models, then aliases, so that few of them wait for each other in
a circle; a server ends such a circle, and conflicts.py does the write again.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Connection, select

from app.store import dialects


def hold_rows(
    connection: Connection, key: Column[Any], values: Iterable[str], *, shared: bool = False
) -> list[str]:
    """Holds the rows with these keys, in order; returns the keys of those that there are.

    What is read of them afterwards stays so. With `shared`, others may hold them shared, too, and
    change what is no key, but delete none.
    """
    rows = select(key).where(key.in_(list(values))).order_by(key)
    held = connection.execute(rows.with_for_update(read=shared, key_share=shared))
    return list(held.scalars())


def hold_name(connection: Connection, name: str) -> None:
    """Holds something that has no row; others who hold this name wait."""
    dialects.of(connection).hold(connection, name)
