"""Where a run can go on from: the two newest checkpoints of a job, and the best."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, select

from app.store.database import now
from app.store.tables import checkpoints

KEPT = 2
"""How many of the newest are kept: if one cannot be read, there is another."""


def keep(connection: Connection, job_id: str, step: int, content: bytes, *, best: bool) -> None:
    """Stores a checkpoint and drops those that it makes superfluous."""
    mine = checkpoints.c.job_id == job_id
    connection.execute(delete(checkpoints).where(mine, checkpoints.c.step == step))
    connection.execute(
        insert(checkpoints).values(
            job_id=job_id,
            step=step,
            best=best,
            created_at=now(connection),
            content=content,
            sha256=sha256(content).hexdigest(),
        )
    )
    newest = select(checkpoints.c.step).where(mine).order_by(checkpoints.c.step.desc())
    best_one = newest.where(checkpoints.c.best).limit(1)
    wanted = {
        row.step for query in (newest.limit(KEPT), best_one) for row in connection.execute(query)
    }
    connection.execute(delete(checkpoints).where(mine, checkpoints.c.step.not_in(wanted)))


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to go on from a step."""

    step: int
    content: bytes


def newest(connection: Connection, job_id: str) -> Checkpoint | None:
    """The newest checkpoint that is undamaged, or None."""
    mine = select(checkpoints.c.step).where(checkpoints.c.job_id == job_id)
    steps = connection.execute(mine.order_by(checkpoints.c.step.desc())).scalars().all()
    for step in steps:
        row = connection.execute(
            select(checkpoints.c.content, checkpoints.c.sha256).where(
                checkpoints.c.job_id == job_id, checkpoints.c.step == step
            )
        ).one()
        if row.sha256 in (None, sha256(row.content).hexdigest()):
            return Checkpoint(step, row.content)
    return None


def copy_newest(connection: Connection, job_id: str, to_job_id: str) -> None:
    """Gives another job the newest checkpoint of this one, if it has one."""
    found = newest(connection, job_id)
    if found is not None:
        keep(connection, to_job_id, found.step, found.content, best=False)


def drop(connection: Connection, job_id: str) -> None:
    """Drops a job's checkpoints: a published model needs none."""
    connection.execute(delete(checkpoints).where(checkpoints.c.job_id == job_id))
