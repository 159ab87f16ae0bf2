"""Which workers live, and how fast they are."""

from sqlalchemy import Connection, delete, func, insert, select, update

from app.store.database import now
from app.store.tables import workers

SECOND = 1_000_000
ALIVE_SECONDS = 30
ALIVE = ALIVE_SECONDS * SECOND
"""How long a worker that says nothing counts as alive: the length of a lease."""
FORGET_WORKERS = 24 * 3600 * SECOND
"""When a worker that died without a word is no longer listed."""


def register(connection: Connection, worker: str, slots: int) -> None:
    """Says that a worker lives, at start and at every heartbeat. Names are `host/process id`."""
    at = now(connection)
    connection.execute(delete(workers).where(workers.c.heartbeat_at < at - FORGET_WORKERS))
    alive = update(workers).where(workers.c.name == worker).values(slots=slots, heartbeat_at=at)
    if connection.execute(alive).rowcount == 0:
        connection.execute(insert(workers).values(name=worker, slots=slots, heartbeat_at=at))


def keep_speed(connection: Connection, worker: str, speed: dict[str, float]) -> None:
    """Keeps what a worker's calibration has measured."""
    connection.execute(update(workers).where(workers.c.name == worker).values(speed=speed))


def latest_speed(connection: Connection) -> dict[str, float] | None:
    """What the worker that was heard last has measured of itself, or None."""
    measured = select(workers.c.speed).order_by(workers.c.heartbeat_at.desc())
    return connection.execute(
        measured.where(workers.c.speed.is_not(None)).limit(1)
    ).scalar_one_or_none()


def any_alive(connection: Connection, host: str = "") -> bool:
    """Whether a worker (of this host) has registered lately.

    One that registered long from now did so before the clock was set back, and may be dead.
    """
    at = now(connection)
    recent = select(workers.c.name).where(
        workers.c.heartbeat_at.between(at - ALIVE, at + ALIVE),
        workers.c.name.startswith(f"{host}/" if host else "", autoescape=True),
    )
    return connection.execute(recent.limit(1)).first() is not None


def count_alive(connection: Connection) -> int:
    """How many workers were heard lately."""
    alive = workers.c.heartbeat_at > now(connection) - ALIVE
    return connection.execute(select(func.count()).where(alive)).scalar_one()


def heartbeat_ages(connection: Connection) -> dict[str, float]:
    """Seconds since each worker was heard."""
    at = now(connection)
    rows = connection.execute(select(workers.c.name, workers.c.heartbeat_at))
    return {row.name: (at - row.heartbeat_at) / SECOND for row in rows}


def names(connection: Connection) -> list[str]:
    """Every worker that has not left."""
    return list(connection.execute(select(workers.c.name)).scalars())


def leave(connection: Connection, worker: str) -> None:
    """Says that a worker has ended, as planned."""
    connection.execute(delete(workers).where(workers.c.name == worker))
