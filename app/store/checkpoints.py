"""The two newest checkpoints of each job: a run resumes from the newest that is undamaged."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, delete, func, insert, select

from app.store import stored
from app.store.database import now
from app.store.tables import checkpoints

KEPT = 2
"""Checkpoints that a job keeps: if the newest is damaged, there is another."""


def keep(connection: Connection, job_id: str, step: int, content: bytes) -> None:
    """Stores the checkpoint of a step and drops all but the newest of the job."""
    mine = checkpoints.c.job_id == job_id
    connection.execute(delete(checkpoints).where(mine, checkpoints.c.step == step))
    connection.execute(
        insert(checkpoints).values(
            job_id=job_id,
            step=step,
            created_at=now(connection),
            content=content,
            sha256=sha256(content).hexdigest(),
        )
    )
    newest = select(checkpoints.c.step).where(mine).order_by(checkpoints.c.step.desc())
    kept = connection.execute(newest.limit(KEPT)).scalars().all()
    connection.execute(delete(checkpoints).where(mine, checkpoints.c.step < kept[-1]))
    stored.recount(connection, job_id)


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to resume at a step."""

    step: int
    content: bytes


def newest(connection: Connection, job_id: str) -> Checkpoint | None:
    """The newest undamaged checkpoint of a job, or None."""
    mine = select(checkpoints.c.step).where(checkpoints.c.job_id == job_id)
    steps = connection.execute(mine.order_by(checkpoints.c.step.desc())).scalars().all()
    for step in steps:
        row = connection.execute(
            select(checkpoints.c.content, checkpoints.c.sha256).where(
                checkpoints.c.job_id == job_id, checkpoints.c.step == step
            )
        ).one_or_none()
        if row is None:  # pruned meanwhile
            continue
        if row.sha256 in (None, sha256(row.content).hexdigest()):
            return Checkpoint(step, row.content)
    return None


def newest_step(connection: Connection, job_id: str) -> int | None:
    """The step of the newest checkpoint, damaged or not, or None."""
    newest = select(func.max(checkpoints.c.step)).where(checkpoints.c.job_id == job_id)
    step: int | None = connection.execute(newest).scalar_one()
    return step


def copy_newest(connection: Connection, job_id: str, to_job_id: str) -> None:
    """Copies a job's newest checkpoint, if it has one, to another job."""
    found = newest(connection, job_id)
    if found is not None:
        keep(connection, to_job_id, found.step, found.content)


def drop(connection: Connection, job_id: str) -> None:
    """Drops every checkpoint of a job."""
    connection.execute(delete(checkpoints).where(checkpoints.c.job_id == job_id))
    stored.recount(connection, job_id)
