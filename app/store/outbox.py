"""What follows from a job's end: written in the transaction that ends it, done afterwards.

The row appears if and only if the job ends. A failure of the work costs neither the job nor its
model. Work on this database deletes its row in its own transaction, so it is done once. Work that
calls another server is a delivery (deliveries.py).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from app.store.database import now
from app.store.ids import new_ulid
from app.store.tables import outbox

SECOND = 1_000_000
FIRST_WAIT = 2 * SECOND
"""How long work that failed waits for its second attempt; each further wait is twice as long."""


class Work(StrEnum):
    """What may follow from an end."""

    AUTOPILOT = "autopilot"
    """Name the best model of the chain, and submit the corrected job."""
    WEBHOOK = "webhook"
    """Tell a destination of the operator's what has become of the job."""
    MLFLOW = "mlflow"
    """Make a run of the job on the operator's MLflow server."""


DELIVERIES = frozenset({Work.WEBHOOK, Work.MLFLOW})
"""Work that calls another server."""


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
            id=new_ulid(connection),
            work=work,
            job_id=job_id,
            data=data,
            attempts=0,
            due_at=now(connection),
        )
    )


def add_autopilot(
    connection: Connection, job_id: str, spec: dict[str, Any], *, cancelled: bool
) -> None:
    """Has autopilot look at a job that ends now, if its spec asks for it.

    `cancelled` says that the job's owner had asked to stop it. Every end of a job calls it: that of
    a run, and that of a waiting job which is cancelled.
    """
    if spec.get("autopilot"):
        add(connection, Work.AUTOPILOT, job_id, {"cancelled": cancelled})


def due(connection: Connection) -> frozenset[Work]:
    """What kinds of work are to be done now: a look that takes no lock."""
    kinds = select(outbox.c.work).distinct().where(outbox.c.due_at <= now(connection))
    return frozenset(map(Work, connection.execute(kinds).scalars()))


def take(connection: Connection) -> Task | None:
    """The task that has waited longest, locked until the transaction ends, or None.

    Deliveries are claimed instead.
    """
    row = connection.execute(
        select(outbox.c.id, outbox.c.work, outbox.c.job_id, outbox.c.data, outbox.c.attempts)
        .where(outbox.c.due_at <= now(connection), outbox.c.work.not_in(DELIVERIES))
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
