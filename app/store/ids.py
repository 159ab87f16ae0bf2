"""Ids that sort by time: by the database's clock, which every machine shares."""

from sqlalchemy import Connection
from ulid import ULID

from app.store.database import now


def new_ulid(connection: Connection) -> str:
    """A new ULID of this moment. Whose clock is wrong would jump the queue, or wait behind it."""
    return str(ULID.from_timestamp(now(connection) // 1000))
