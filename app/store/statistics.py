"""Numbers of all jobs together."""

from sqlalchemy import Connection, func, select

from app.codes import Status
from app.store.tables import jobs


def count_by_status(connection: Connection) -> dict[Status, int]:
    """How many jobs are in each state."""
    rows = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status))
    found = {Status(status): count for status, count in rows}
    return {status: found.get(status, 0) for status in Status}


def training_rate(connection: Connection) -> float:
    """Images a second that all running jobs train on together, as they reported last."""
    running = select(jobs.c.progress).where(jobs.c.status == Status.RUNNING)
    reported = connection.execute(running).scalars()
    return float(sum(progress["samples_per_second"] for progress in reported if progress))
