"""Takes back the jobs of workers that are no more."""

from sqlalchemy import ColumnElement, Connection, or_, select

from app.store import leases
from app.store.database import now
from app.store.leases import LEASE, Lease
from app.store.states import Status
from app.store.tables import jobs


def requeue_expired(connection: Connection) -> int:
    """Takes back every job whose worker has let its lease run out; returns how many.

    A lease that ends later than any could have been given was given before the clock was set
    back: it counts as expired too, or its job would wait for the clock.
    """
    at = now(connection)
    expired = or_(jobs.c.lease_expires_at < at, jobs.c.lease_expires_at > at + LEASE)
    return _take_back(connection, expired, "stopped responding")


def requeue_of(connection: Connection, worker: str) -> int:
    """Takes back every job of a worker that is known to be dead; returns how many."""
    return _take_back(connection, jobs.c.worker == worker, "died")


def _take_back(connection: Connection, which: ColumnElement[bool], how: str) -> int:
    rows = connection.execute(
        select(
            jobs.c.id,
            jobs.c.attempt,
            jobs.c.worker,
            jobs.c.cancel_requested,
            jobs.c.pause_requested,
        ).where(jobs.c.status == Status.RUNNING, which)
    ).all()
    for row in rows:
        lease = Lease(row.id, row.attempt, {})
        if row.cancel_requested:
            leases.cancel(connection, lease)
        elif row.pause_requested:
            leases.pause(connection, lease)
        else:
            leases.lose(connection, lease, f"the worker {row.worker} {how}")
    return len(rows)
