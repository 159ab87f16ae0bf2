"""What is known of a run's health: one document a job, the newest that the run has sent."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from app.codes import NoVerdict
from app.store.tables import diagnoses


def unread(spec: dict[str, Any]) -> str:
    """The verdict on a run of this spec before it has said anything."""
    return NoVerdict.UNKNOWN if spec.get("diagnosis", True) else NoVerdict.OFF


def verdict(diagnosis: dict[str, Any]) -> str:
    """The code of the first finding, which is the cause."""
    return next((finding["code"] for finding in diagnosis["findings"]), NoVerdict.UNKNOWN)


def keep(connection: Connection, job_id: str, content: dict[str, Any]) -> None:
    """Stores a job's diagnosis in place of the one before."""
    mine = update(diagnoses).where(diagnoses.c.job_id == job_id)
    if connection.execute(mine.values(content=content)).rowcount == 0:
        connection.execute(insert(diagnoses).values(job_id=job_id, content=content))


def get(connection: Connection, job_id: str) -> dict[str, Any] | None:
    """The job's diagnosis, or None where nothing is known yet."""
    mine = select(diagnoses.c.content).where(diagnoses.c.job_id == job_id)
    found: dict[str, Any] | None = connection.execute(mine).scalar_one_or_none()
    return found


def forget(connection: Connection, job_id: str) -> None:
    """Drops a job's diagnosis."""
    connection.execute(delete(diagnoses).where(diagnoses.c.job_id == job_id))
