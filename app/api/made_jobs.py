"""The answer of a route that makes a job: its status, and the header that says where the job is."""

from typing import Any

from fastapi import Response

from app.answers.jobs import Job

MADE_JOB: dict[int | str, dict[str, Any]] = {
    200: {"model": Job, "description": "The job that this Idempotency-Key made before"},
    201: {
        "description": "The job, stored and queued",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "Its address."}},
    },
}
"""What /docs says of such an answer."""


def point_to(response: Response, job: Job, is_new: bool) -> None:
    """Sets the status and the address of the job."""
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/jobs/{job.id}"
