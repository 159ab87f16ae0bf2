"""Idempotency keys: a request that comes again with its key makes nothing a second time.

A key is stored in the transaction that makes what was asked for, so both are there or neither.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.database import now
from app.store.errors import IdempotencyConflict
from app.store.tables import idempotency_keys

KEPT = 24 * 3600 * 1_000_000
"""Microseconds for which a key is remembered."""


@dataclass(frozen=True)
class KeyedRequest:
    """A request that came with an Idempotency-Key."""

    key: str
    key_id: str | None
    """The API key that it came with: each has idempotency keys of its own."""
    digest: str
    """SHA-256 of its method, path and body: what must be the same when the key comes again."""


def once(
    connection: Connection, request: KeyedRequest, make: Callable[[], str]
) -> tuple[str, bool]:
    """Calls `make` unless the key was used; returns the id of what was made, and whether now.

    Of two requests at the same time, the second waits at the insertion for the first one's commit.

    Raises:
        IdempotencyConflict: the key was used for another request.
    """
    mine = (
        idempotency_keys.c.key_id == (request.key_id or ""),
        idempotency_keys.c.key == request.key,
    )
    at = now(connection)
    expired = idempotency_keys.c.created_at <= at - KEPT
    connection.execute(delete(idempotency_keys).where(*mine, expired))
    row = {"key_id": request.key_id or "", "key": request.key, "digest": request.digest}
    try:
        with connection.begin_nested():
            connection.execute(insert(idempotency_keys).values(row | {"created_at": at}))
    except IntegrityError:
        used = select(idempotency_keys.c.digest, idempotency_keys.c.made).where(*mine)
        earlier = connection.execute(used).one()
        if earlier.digest != request.digest:
            raise IdempotencyConflict(request.key) from None
        return str(earlier.made), False
    made = make()
    connection.execute(update(idempotency_keys).where(*mine).values(made=made))
    return made, True


def forget_expired(connection: Connection) -> None:
    """Drops the keys that are no longer remembered."""
    expired = idempotency_keys.c.created_at <= now(connection) - KEPT
    connection.execute(delete(idempotency_keys).where(expired))
