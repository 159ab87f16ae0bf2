"""Learning-rate range tests: jobs of their own, linked to those for which they are made."""

from typing import Any

from sqlalchemy import Connection, select

from app.store.errors import NoRangeTest
from app.store.jobs import Job, get, submit
from app.store.tables import jobs


def submit_for(
    connection: Connection,
    job_id: str,
    rates: dict[str, Any],
    *,
    key_id: str | None = None,
    request_id: str | None = None,
) -> Job:
    """Queues a range test of a job's spec. A test of a test is one of the same job.

    `rates` are a validated `RateRange`; the spec was validated when its job was submitted.

    Raises:
        JobNotFound: no job has this id.
        QuotaExceeded: the API key may submit no more.
    """
    job = get(connection, job_id)
    name = job.name if job.range_of else f"lr range of {job.name}"[:128]
    patch = {"name": name, "lr_range": rates, "autopilot": None, "preset": None}
    return submit(
        connection,
        job.spec | patch,
        range_of=job.range_of or job.id,
        key_id=key_id,
        request_id=request_id,
    )


def newest(connection: Connection, job_id: str) -> Job:
    """The job itself where it is a range test, or the newest that was made for it.

    Raises:
        JobNotFound: no job has this id.
        NoRangeTest: none was made.
    """
    job = get(connection, job_id)
    if job.spec.get("lr_range"):
        return job
    made = select(jobs.c.id).where(jobs.c.range_of == job_id).order_by(jobs.c.id.desc())
    found = connection.execute(made.limit(1)).scalar_one_or_none()
    if found is None:
        raise NoRangeTest(job_id)
    return get(connection, found)
