"""What follows from a job's end: written in the transaction that ends it, done afterwards.

The row appears if and only if the job ends. Whoever does the work deletes the row in the same
transaction, so it is done once; a failure costs neither the job nor its model.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update
from ulid import ULID

from app.store.database import now
from app.store.tables import outbox

SECOND = 1_000_000
FIRST_WAIT = 2 * SECOND
"""How long work that failed waits for its second attempt; each further wait is twice as long."""


class Work(StrEnum):
    """What may follow from an end."""

    AUTOPILOT = "autopilot"
    """Name the best model of the chain, and submit the corrected job."""


@dataclass(frozen=True)
class Task:
    """Work that waits in the outbox. `attempts` counts those that failed."""

    id: str
    work: Work
    job_id: str
    data: dict[str, Any]
    attempts: int


def add(connection: Connection, work: Work, job_id: str, data: dict[str, Any]) -> None:
    """Writes down that something is to be done for a job."""
    connection.execute(
        insert(outbox).values(
            id=str(ULID()),
            work=work,
            job_id=job_id,
            data=data,
            attempts=0,
            due_at=now(connection),
        )
    )


def any_due(connection: Connection) -> bool:
    """Whether something is to be done now: a look that takes no lock."""
    due = select(exists().where(outbox.c.due_at <= now(connection)))
    return bool(connection.execute(due).scalar_one())


def take(connection: Connection) -> Task | None:
    """The task that has waited longest, locked until the transaction ends, or None."""
    row = connection.execute(
        select(outbox.c.id, outbox.c.work, outbox.c.job_id, outbox.c.data, outbox.c.attempts)
        .where(outbox.c.due_at <= now(connection))
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return Task(row.id, Work(row.work), row.job_id, row.data, row.attempts) if row else None


def postpone(connection: Connection, task: Task) -> None:
    """Lets a task that failed wait, twice as long as before."""
    wait = FIRST_WAIT * 2**task.attempts
    values = {"attempts": task.attempts + 1, "due_at": now(connection) + wait}
    connection.execute(update(outbox).where(outbox.c.id == task.id).values(values))


def remove(connection: Connection, task: Task) -> None:
    """Forgets a task that is done or given up."""
    connection.execute(delete(outbox).where(outbox.c.id == task.id))
