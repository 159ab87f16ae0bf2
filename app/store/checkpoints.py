"""Where a run can go on from: the two newest checkpoints of a job, and the best."""

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
            job_id=job_id, step=step, best=best, created_at=now(connection), content=content
        )
    )
    newest = select(checkpoints.c.step).where(mine).order_by(checkpoints.c.step.desc())
    best_one = newest.where(checkpoints.c.best).limit(1)
    wanted = {
        row.step for query in (newest.limit(KEPT), best_one) for row in connection.execute(query)
    }
    connection.execute(delete(checkpoints).where(mine, checkpoints.c.step.not_in(wanted)))


def newest_step(connection: Connection, job_id: str) -> int | None:
    """The step of the newest checkpoint, or None."""
    steps = select(checkpoints.c.step).where(checkpoints.c.job_id == job_id)
    return connection.execute(
        steps.order_by(checkpoints.c.step.desc()).limit(1)
    ).scalar_one_or_none()


def newest(connection: Connection, job_id: str) -> bytes | None:
    """The newest checkpoint, or None."""
    contents = select(checkpoints.c.content).where(checkpoints.c.job_id == job_id)
    return connection.execute(
        contents.order_by(checkpoints.c.step.desc()).limit(1)
    ).scalar_one_or_none()


def copy_newest(connection: Connection, job_id: str, to_job_id: str) -> None:
    """Gives another job the newest checkpoint of this one, if it has one."""
    content, step = newest(connection, job_id), newest_step(connection, job_id)
    if content is not None and step is not None:
        keep(connection, to_job_id, step, content, best=False)


def drop(connection: Connection, job_id: str) -> None:
    """Drops a job's checkpoints: a published model needs none."""
    connection.execute(delete(checkpoints).where(checkpoints.c.job_id == job_id))
