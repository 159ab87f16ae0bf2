"""Where jobs wait: in lanes, each with a constant order.

A lane holds the waiting jobs of one API key that require the same of a worker, by `queue_at`: the
time of the submission, a minute earlier for each point of priority. It never changes, so that no
job waits for ever, and one that goes back to the queue has its old place.

The index `ix_jobs_waiting` goes by lane, then by `queue_at`. What is asked here takes as many steps
as there are lanes, however many jobs wait in them or have ended.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
)

from app.store import requirements
from app.store.requirements import Requirements
from app.store.tables import jobs

PRIORITY = 60 * 1_000_000
"""Microseconds of waiting that a point of priority counts for."""
QUEUED: ColumnElement[str] = literal_column("'queued'")
"""As the partial index has it: a bound parameter would not be matched to it."""


@dataclass(frozen=True)
class Lane:
    """Where jobs of one key wait that require the same."""

    name: str
    key_id: str | None
    requirements: Requirements
    head: int
    """`queue_at` of its first job."""


def place(spec: dict[str, Any], key_id: str | None, created_at: int) -> dict[str, Any]:
    """The columns that say where a new job waits."""
    return {
        "lane": f"{key_id or ''} {Requirements.of_spec(spec).text}",
        "queue_at": created_at - spec.get("priority", 0) * PRIORITY,
    }


def any_waiting(connection: Connection) -> bool:
    """Whether a job waits: a look that takes no lock."""
    waiting = select(jobs.c.id).where(jobs.c.status == QUEUED).limit(1)
    return connection.execute(waiting).first() is not None


def occupied(connection: Connection) -> list[Lane]:
    """Every lane in which a job waits."""
    return [_lane(row.lane, row.head) for row in connection.execute(_OCCUPIED)]


def ahead(connection: Connection, job_id: str, key_id: str | None) -> int:
    """How many waiting jobs of the same key have a place before this one."""
    mine = select(jobs.c.queue_at).where(jobs.c.id == job_id)
    queue_at = connection.execute(mine).scalar_one()
    names = [lane.name for lane in occupied(connection) if lane.key_id == key_id]
    before = or_(jobs.c.queue_at < queue_at, and_(jobs.c.queue_at == queue_at, jobs.c.id < job_id))
    counted = select(func.count()).where(jobs.c.status == QUEUED, jobs.c.lane.in_(names), before)
    return connection.execute(counted).scalar_one()


def _occupied() -> Select[tuple[str, int]]:
    """The lanes with their heads, by the index from one to the next, and not from job to job."""
    first = select(func.min(jobs.c.lane).label("lane")).where(jobs.c.status == QUEUED)
    names = first.cte("lanes", recursive=True)
    waiting = jobs.alias("waiting")
    following = select(func.min(waiting.c.lane)).where(
        waiting.c.status == QUEUED, waiting.c.lane > names.c.lane
    )
    names = names.union_all(select(following.scalar_subquery()).where(names.c.lane.is_not(None)))
    head = select(func.min(jobs.c.queue_at)).where(
        jobs.c.status == QUEUED, jobs.c.lane == names.c.lane
    )
    return select(names.c.lane, head.scalar_subquery().label("head")).where(
        names.c.lane.is_not(None)
    )


_OCCUPIED = _occupied()
"""Made once: to make it takes several times as long as to execute it."""


def _lane(name: str, head: int) -> Lane:
    key_id, _, text = name.partition(" ")
    return Lane(name, key_id or None, requirements.from_text(text), head)
