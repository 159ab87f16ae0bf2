"""What is wrong with a run, and what to try instead."""

from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError

from app.answers.diagnoses import Diagnosis
from app.api.parameters import JobId
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheDatabase
from app.jobspec.patch import corrected
from app.store import diagnoses, jobs
from app.store.errors import JobNotFound
from app.store.jobs import Job
from app.store.keys import Scope

router = APIRouter(prefix="/jobs", tags=["diagnosis"], route_class=Route)

NOTHING: dict[str, Any] = {
    "final": False,
    "step": 0,
    "epoch": 0,
    "findings": [],
    "suggestion": None,
    "changes": [],
    "series": {},
    "lr_range": None,
}
"""The diagnosis before the run has reported any."""


@router.get("/{job_id}/diagnosis", summary="Why it fails", responses=documented(JobNotFound))
@needs(Scope.READ)
def get_diagnosis(job_id: JobId, database: TheDatabase) -> Diagnosis:
    """What is wrong with a run, the evidence in numbers, what to change, the changed specification.

    It grows while the job runs.
    """
    with database.read() as connection:
        return diagnosis_of(jobs.get(connection, job_id), diagnoses.get(connection, job_id))


def diagnosis_of(job: Job, stored: dict[str, Any] | None) -> Diagnosis:
    """A stored diagnosis as the API shows it, with the spec that it suggests."""
    known = NOTHING | (stored or {})
    spec = _corrected(job.spec, known["suggestion"])
    return Diagnosis(**known | {"job": job.id, "verdict": job.verdict, "spec": spec})


def _corrected(spec: dict[str, Any], suggestion: dict[str, Any] | None) -> dict[str, Any] | None:
    if not suggestion:
        return None
    try:
        return corrected(spec, suggestion).model_dump(mode="json")
    except ValidationError:  # then a retry cannot apply it either
        return None
