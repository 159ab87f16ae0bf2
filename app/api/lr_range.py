"""Learning-rate range tests: make one for a job, and see what it recommends."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from app.answers.diagnoses import RangeTest
from app.answers.jobs import Job
from app.api import answering
from app.api.idempotency import TheOnce
from app.api.made_jobs import MADE_JOB, point_to
from app.api.parameters import JobId
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.spec_body import check_backbone, check_webhooks
from app.api.state import TheBackbones, TheDatabase, TheDestinations, TheKey, TheRequestId
from app.jobspec import JobSpec, RateRange
from app.store import diagnoses, jobs, lr_ranges
from app.store.errors import (
    DatasetNotFound,
    IdempotencyConflict,
    JobNotFound,
    NoRangeTest,
    QuotaExceeded,
)
from app.store.keys import Scope

router = APIRouter(prefix="/jobs", tags=["diagnosis"], route_class=Route)

EXAMPLES = [{}, {"lowest": 1e-5, "highest": 1.0, "batches": 300}]


@router.post(
    "/{job_id}/lr-range",
    status_code=201,
    summary="Test learning rates",
    responses={
        **MADE_JOB,
        **documented(413, 415, JobNotFound, DatasetNotFound, IdempotencyConflict, QuotaExceeded),
    },
)
@needs(Scope.WRITE)
def start(
    *,
    job_id: JobId,
    response: Response,
    database: TheDatabase,
    key: TheKey = None,
    request_id: TheRequestId = None,
    once: TheOnce,
    backbones: TheBackbones,
    destinations: TheDestinations,
    rates: Annotated[RateRange, Body(examples=EXAMPLES)] = RateRange(),  # noqa: B008 (immutable)
) -> Job:
    """Submits a job with the same specification that only ramps the learning rate."""
    wanted = rates.model_dump(mode="json")

    def make() -> str:
        made = lr_ranges.submit_for(connection, job_id, wanted, key_id=key, request_id=request_id)
        check_backbone(JobSpec.stored(made.spec), backbones)
        check_webhooks(JobSpec.stored(made.spec), destinations)
        return made.id

    with database.write() as connection:
        made_id, is_new = once.make(connection, wanted, make)
        job = answering.job(jobs.get(connection, made_id))
    point_to(response, job, is_new)
    return job


@router.get(
    "/{job_id}/lr-range",
    summary="The recommended learning rate",
    responses=documented(JobNotFound, NoRangeTest),
)
@needs(Scope.READ)
def newest(job_id: JobId, database: TheDatabase) -> RangeTest:
    """The newest range test of a job, or the job itself where it is one."""
    with database.read() as connection:
        job = lr_ranges.newest(connection, job_id)
        found = (diagnoses.get(connection, job.id) or {}).get("lr_range") or {}
    nothing: dict[str, Any] = {
        "recommended": None,
        "steepest": None,
        "diverges_at": None,
        "advice": None,
        "curve": [],
    }
    about = {"job": job.id, "of": job.range_of, "status": job.status}
    return RangeTest(**nothing | job.spec["lr_range"] | found | about)
