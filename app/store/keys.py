"""API keys: 256 random bits, shown once and kept as their SHA-256."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from ulid import ULID

from app.codes import Scope
from app.store import stored
from app.store.database import now
from app.store.errors import KeyNotFound, QuotaExceeded
from app.store.tables import jobs, keys

__all__ = [
    "PREFIX",
    "Key",
    "Limits",
    "Scope",
    "check_quota",
    "check_stored",
    "create",
    "get",
    "key_id",
    "listed",
    "revoke",
    "touch",
]

PREFIX = "traind_"
"""Begins every key, so that scanners for leaked secrets recognize one."""


@dataclass(frozen=True)
class Limits:
    """What one key may use; None is no limit."""

    jobs: int | None = None
    """Most jobs that have not ended: queued, running and paused ones together."""
    stored_bytes: int | None = None
    """Bytes of its checkpoints, models and datasets from which on nothing more is accepted."""
    requests_per_second: float | None = None
    """All API processes of a home count together."""


@dataclass(frozen=True)
class Key:
    """A key without its secret. Times are microseconds since 1970 (UTC)."""

    id: str
    name: str
    scopes: frozenset[Scope]
    limits: Limits
    webhooks: tuple[str, ...]
    """Names of the destinations that hear of its jobs."""
    created_at: int
    last_used_at: int | None
    revoked_at: int | None
    secret_sha256: str

    def allows(self, scope: Scope) -> bool:
        """Whether the key has this scope, or `admin`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def opens_with(self, token: str) -> bool:
        """Whether this is the key's token. Compared in constant time."""
        return hmac.compare_digest(sha256(token.encode()).hexdigest(), self.secret_sha256)


def create(
    connection: Connection,
    name: str,
    scopes: frozenset[Scope],
    limits: Limits,
    webhooks: Sequence[str] = (),
) -> tuple[Key, str]:
    """Stores a new key; returns it and its token; only the token's hash is kept."""
    number = str(ULID())
    token = f"{PREFIX}{number}_{secrets.token_urlsafe(32)}"
    connection.execute(
        insert(keys).values(
            id=f"key_{number}",
            name=name,
            scopes=sorted(scopes),
            max_jobs=limits.jobs,
            max_stored_bytes=limits.stored_bytes,
            max_requests_per_second=limits.requests_per_second,
            webhooks=list(webhooks),
            secret_sha256=sha256(token.encode()).hexdigest(),
            created_at=now(connection),
        )
    )
    return get(connection, f"key_{number}"), token


def key_id(token: str) -> str:
    """The key id that a token contains; the token may still be a wrong one."""
    return f"key_{token[len(PREFIX) : len(PREFIX) + 26]}"


def get(connection: Connection, wanted: str) -> Key:
    """The key with this id.

    Raises:
        KeyNotFound: there is none.
    """
    row = connection.execute(select(keys).where(keys.c.id == wanted)).one_or_none()
    if row is None:
        raise KeyNotFound(wanted)
    return _key(row)


def listed(connection: Connection) -> list[Key]:
    """Every key, revoked ones too, oldest first."""
    return [_key(row) for row in connection.execute(select(keys).order_by(keys.c.id))]


def revoke(connection: Connection, wanted: str) -> Key:
    """Revokes a key. Revoking it again changes nothing.

    Raises:
        KeyNotFound: there is no such key.
    """
    found = get(connection, wanted)
    if found.revoked_at is None:
        values = {"revoked_at": now(connection)}
        connection.execute(update(keys).where(keys.c.id == wanted).values(values))
    return get(connection, wanted)


def touch(connection: Connection, used: dict[str, int]) -> None:
    """Stores when each key was last used: microseconds since 1970 by key id."""
    for wanted, at in sorted(used.items()):  # two API processes take the rows in one order
        connection.execute(update(keys).where(keys.c.id == wanted).values(last_used_at=at))


def check_quota(connection: Connection, wanted: str) -> None:
    """Checks that a key may submit one more job, inside the transaction that submits it.

    Raises:
        KeyNotFound: there is no such key.
        QuotaExceeded: it has too many jobs that have not ended, stores too much, or was revoked.
    """
    limits = check_stored(connection, wanted)
    if limits.jobs is not None:
        unended = select(func.count()).where(jobs.c.key_id == wanted, jobs.c.ended_at.is_(None))
        count = connection.execute(unended).scalar_one()
        if count >= limits.jobs:
            raise QuotaExceeded(
                f"{count} of its jobs have not ended, and at most {limits.jobs} are allowed"
            )


def check_stored(connection: Connection, wanted: str, more: int = 0) -> Limits:
    """Checks that a key may store `more` bytes, inside the transaction that does; its limits.

    Raises:
        KeyNotFound: there is no such key.
        QuotaExceeded: it stores too much, or was revoked.
    """
    # The row is locked on a database server, so that two submissions cannot both be the last.
    row = connection.execute(
        select(keys).where(keys.c.id == wanted).with_for_update()
    ).one_or_none()
    if row is None:
        raise KeyNotFound(wanted)
    key = _key(row)
    if key.revoked_at is not None:  # its client cannot ask, but autopilot may ask for it
        raise QuotaExceeded("it was revoked")
    most = key.limits.stored_bytes
    if most is not None:
        total = stored.of_key(connection, wanted)
        if total >= most or total + more > most:
            added = f", {more} more would come" if more else ""
            raise QuotaExceeded(
                f"its jobs, models and datasets keep {total} bytes{added}, and {most} are allowed"
            )
    return key.limits


def _key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes)),
        limits=Limits(row.max_jobs, row.max_stored_bytes, row.max_requests_per_second),
        webhooks=tuple(row.webhooks),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        secret_sha256=row.secret_sha256,
    )
