"""API keys: 256 random bits, shown once and kept as their SHA-256."""

import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from ulid import ULID

from app.store.database import now
from app.store.errors import KeyNotFound, QuotaExceeded
from app.store.states import ENDED
from app.store.tables import checkpoints, jobs, keys, model_files, models


class Scope(StrEnum):
    """What a key may do; `admin` includes the others."""

    READ = "read"
    PREDICT = "predict"
    WRITE = "write"
    ADMIN = "admin"


PREFIX = "traind_"
"""Of every key, so that scanners for leaked secrets can tell what they found."""


@dataclass(frozen=True)
class Limits:
    """What one key may use; None is no limit."""

    jobs: int | None = None
    """Queued, running and paused jobs."""
    stored_bytes: int | None = None
    """Bytes of its jobs' checkpoints and models, beyond which no job is taken."""
    requests_per_second: float | None = None
    """Kept by each API process by itself."""


@dataclass(frozen=True)
class Key:
    """A key without its secret. Times are microseconds since 1970 (UTC)."""

    id: str
    name: str
    scopes: frozenset[Scope]
    limits: Limits
    created_at: int
    last_used_at: int | None
    revoked_at: int | None
    secret_sha256: str

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what needs this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def opens_with(self, token: str) -> bool:
        """Whether the token is this key's, compared in constant time."""
        return hmac.compare_digest(sha256(token.encode()).hexdigest(), self.secret_sha256)


def create(
    connection: Connection, name: str, scopes: frozenset[Scope], limits: Limits
) -> tuple[Key, str]:
    """Stores a new key; returns it and its token, which cannot be had again."""
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
            secret_sha256=sha256(token.encode()).hexdigest(),
            created_at=now(connection),
        )
    )
    return get(connection, f"key_{number}"), token


def key_id(token: str) -> str:
    """The id of the key that a token says it is."""
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
    """Ends a key; to repeat it is no error.

    Raises:
        KeyNotFound: there is no such key.
    """
    found = get(connection, wanted)
    if found.revoked_at is None:
        values = {"revoked_at": now(connection)}
        connection.execute(update(keys).where(keys.c.id == wanted).values(values))
    return get(connection, wanted)


def touch(connection: Connection, used: dict[str, int]) -> None:
    """Remembers when each of these keys was used last."""
    for wanted, at in used.items():
        connection.execute(update(keys).where(keys.c.id == wanted).values(last_used_at=at))


def check_quota(connection: Connection, wanted: str) -> None:
    """Whether the key may submit one job more; inside the transaction that submits it.

    Raises:
        QuotaExceeded: it has too many jobs that have not ended, stores too much, or was revoked.
    """
    key = get(connection, wanted)
    if key.revoked_at is not None:  # it cannot ask, but autopilot asks for it
        raise QuotaExceeded("it was revoked")
    limits = key.limits
    mine = jobs.c.key_id == wanted
    if limits.jobs is not None:
        waiting = select(func.count()).where(mine, jobs.c.status.not_in(ENDED))
        count = connection.execute(waiting).scalar_one()
        if count >= limits.jobs:
            raise QuotaExceeded(f"{count} of its jobs have not ended, and {limits.jobs} may be so")
    if limits.stored_bytes is not None:
        stored = _stored(connection, wanted)
        if stored >= limits.stored_bytes:
            raise QuotaExceeded(
                f"its jobs and models keep {stored} bytes, and {limits.stored_bytes} are allowed"
            )


def _stored(connection: Connection, wanted: str) -> int:
    of_models = (
        select(func.sum(func.length(model_files.c.content)))
        .join(models, models.c.id == model_files.c.model_id)
        .join(jobs, jobs.c.id == models.c.job_id)
    )
    of_checkpoints = select(func.sum(func.length(checkpoints.c.content))).join(
        jobs, jobs.c.id == checkpoints.c.job_id
    )
    mine = jobs.c.key_id == wanted
    sums = [connection.execute(q.where(mine)).scalar_one() for q in (of_models, of_checkpoints)]
    return sum(each or 0 for each in sums)


def _key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes)),
        limits=Limits(row.max_jobs, row.max_stored_bytes, row.max_requests_per_second),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        secret_sha256=row.secret_sha256,
    )
