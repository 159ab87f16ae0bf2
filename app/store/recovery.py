"""Takes back the jobs and imports of workers that are no more."""

from contextlib import suppress

from sqlalchemy import ColumnElement, Connection, func, or_, select

from app.codes import Status
from app.store import imports, leases
from app.store.database import now
from app.store.errors import LeaseLost
from app.store.leases import CLOCK_TOLERANCE, LEASE, Lease
from app.store.outcomes import Died
from app.store.tables import jobs, workers


def requeue_expired(connection: Connection) -> int:
    """Takes back every job whose worker has let its lease expire; returns how many.

    A lease that ends later than any that could be given now was given before the clock was set
    back. It counts as expired too, or its job would wait until the clock has caught up.
    """
    at = now(connection)
    impossible = at + LEASE + CLOCK_TOLERANCE
    expired = or_(jobs.c.lease_expires_at < at, jobs.c.lease_expires_at > impossible)
    imports.lose_expired(connection)
    return _take_back(connection, expired, "stopped responding")


def requeue_of(connection: Connection, worker: str) -> int:
    """Takes back every job of a worker that is known to be dead; returns how many."""
    imports.lose_of(connection, worker)
    return _take_back(connection, jobs.c.worker == worker, "died")


def _take_back(connection: Connection, which: ColumnElement[bool], how: str) -> int:
    known = select(workers.c.name).where(workers.c.id == jobs.c.worker).scalar_subquery()
    name = func.coalesce(known, jobs.c.worker).label("name")
    held = select(jobs.c.id, jobs.c.attempt, name).where(jobs.c.status == Status.RUNNING, which)
    # A job that somebody writes at the moment is alive, or taken back already.
    rows = connection.execute(held.with_for_update(of=jobs, skip_locked=True)).all()
    for row in rows:
        with suppress(LeaseLost):  # another worker was faster
            died = Died(f"the worker {row.name} {how}")
            leases.release(connection, Lease(row.id, row.attempt), died)
    return len(rows)
