"""Training jobs: submit, validate, list, look at, cancel, pause, resume, retry."""

from asyncio import get_running_loop
from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.answers.jobs import Job, Plan
from app.answers.pages import Page
from app.api import answering, examples
from app.api.auth import Unauthorized
from app.api.cursors import cursor, id_of, sort_key
from app.api.idempotency import TheOnce
from app.api.made_jobs import MADE_JOB, point_to
from app.api.parameters import (
    MAX_WAIT_SECONDS,
    After,
    DatasetFilter,
    JobId,
    LabelFilter,
    PageSize,
    StatusFilter,
    label_of,
)
from app.api.problem_kinds import documented
from app.api.retry_schemas import Retry
from app.api.routes import Route, needs
from app.api.spec_body import SPEC_BODY, TheSpec, check_backbone, check_webhooks, check_workers
from app.api.state import (
    TheBackbones,
    TheDatabase,
    TheDestinations,
    TheKey,
    TheRequestId,
    TheSettings,
    TheWatcher,
)
from app.codes import ENDED
from app.jobspec import JobSpec, cost
from app.store import jobs, retries, waiting, workers
from app.store.database import Connection, Database
from app.store.errors import (
    DatasetNotFound,
    IdempotencyConflict,
    IllegalMove,
    JobNotFound,
    NothingToApply,
    QuotaExceeded,
)
from app.store.keys import Scope

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=Route)


@router.post(
    "",
    status_code=201,
    summary="Submit a job",
    openapi_extra=SPEC_BODY,
    responses={
        **MADE_JOB,
        **documented(413, 415, IdempotencyConflict, QuotaExceeded, DatasetNotFound),
    },
)
@needs(Scope.WRITE)
def submit(
    *,
    response: Response,
    database: TheDatabase,
    spec: TheSpec,
    key: TheKey = None,
    request_id: TheRequestId = None,
    once: TheOnce,
) -> Job:
    """Stores a job for a worker to train. `{}` or no body is the reference job."""
    resolved = spec.model_dump(mode="json")

    def make() -> str:
        return jobs.submit(connection, resolved, key_id=key, request_id=request_id).id

    with database.write() as connection:
        job_id, is_new = once.make(connection, resolved, make)
        job = _shown(connection, jobs.get(connection, job_id))
    point_to(response, job, is_new)
    return job


@router.post(
    "/validate",
    summary="Say what would run",
    openapi_extra=SPEC_BODY,
    responses=documented(413, 415),
)
@needs(Scope.READ)
def validate(database: TheDatabase, spec: TheSpec) -> Plan:
    """Checks a specification and says what it means and what it costs. Stores nothing."""
    with database.read() as connection:
        speed = workers.latest_speed(connection)
    return Plan(
        spec=spec.model_dump(mode="json"),
        parameters=spec.parameters,
        layer_sizes=spec.layer_sizes,
        steps_per_epoch=spec.steps_per_epoch,
        steps=spec.steps,
        training_images=spec.dataset.training_images,
        validation_images=spec.dataset.validation_images,
        checkpoint_bytes=spec.checkpoint_bytes,
        estimated_seconds=None if speed is None else cost.estimate(spec, speed),
    )


@router.get("", summary="List jobs, newest first")
@needs(Scope.READ)
def list_jobs(
    *,
    database: TheDatabase,
    limit: PageSize = 20,
    after: After = None,
    statuses: StatusFilter = [],  # noqa: B006 (FastAPI copies it)
    labels: LabelFilter = [],  # noqa: B006
    dataset: DatasetFilter = None,
) -> Page[Job]:
    """Jobs that match every filter."""
    wanted = dict(label_of(text) for text in labels)
    (behind,) = sort_key(after, id_of("job_")) or (None,)
    with database.read() as connection:
        found = jobs.newest(connection, limit + 1, behind, statuses, wanted, dataset=dataset)
    page = found[:limit]
    return Page(
        data=[answering.job(job) for job in page],
        next=cursor(page[-1].id) if len(found) > limit else None,
    )


@router.get("/{job_id}", summary="Look at a job", responses=documented(JobNotFound))
@needs(Scope.READ)
async def get_job(
    job_id: JobId,
    database: TheDatabase,
    watcher: TheWatcher,
    key: TheKey,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=MAX_WAIT_SECONDS,
            allow_inf_nan=False,
            description="Answer at the next change of state, or after this many seconds.",
        ),
    ] = 0.0,
) -> Job:
    """A job with its specification, progress, latest metrics, failure and model."""
    if not wait:
        return await run_in_threadpool(_get, database, job_id)
    deadline = get_running_loop().time() + wait
    with watcher.watch(job_id, key) as watch:  # before the first look, so that no change is missed
        job = await run_in_threadpool(_get, database, job_id)
        unchanged = job.status not in ENDED
        while unchanged and not watch.closed:
            if not await watch.changed(deadline - get_running_loop().time()):
                break
            unchanged = not isinstance(watch.pulse, jobs.Pulse) or watch.pulse.status is job.status
        if watch.dismissed:
            raise Unauthorized
    return await run_in_threadpool(_get, database, job_id)


@router.post(
    "/{job_id}/cancel", summary="Cancel a job", responses=documented(JobNotFound, IllegalMove)
)
@needs(Scope.WRITE)
def cancel(job_id: JobId, database: TheDatabase, request_id: TheRequestId) -> Job:
    """Ends a waiting job at once; a running one stops within a second. Repeating it is no error."""
    with database.write() as connection:
        return _shown(connection, jobs.request_cancel(connection, job_id, request_id))


@router.post(
    "/{job_id}/pause", summary="Pause a job", responses=documented(JobNotFound, IllegalMove)
)
@needs(Scope.WRITE)
def pause(job_id: JobId, database: TheDatabase, request_id: TheRequestId) -> Job:
    """Sets a waiting job aside at once; a running one stops at a step boundary, checkpoint kept."""
    with database.write() as connection:
        return _shown(connection, jobs.request_pause(connection, job_id, request_id))


@router.post(
    "/{job_id}/resume",
    summary="Resume a paused job",
    responses=documented(JobNotFound, IllegalMove),
)
@needs(Scope.WRITE)
def resume(job_id: JobId, database: TheDatabase, request_id: TheRequestId) -> Job:
    """Queues a paused job again. It goes on from its checkpoint, to the same weights."""
    with database.write() as connection:
        return _shown(connection, jobs.resume(connection, job_id, request_id))


@router.post(
    "/{job_id}/retry",
    status_code=201,
    summary="Try an ended job again",
    responses={
        **MADE_JOB,
        **documented(
            413,
            415,
            JobNotFound,
            DatasetNotFound,
            IllegalMove,
            NothingToApply,
            IdempotencyConflict,
            QuotaExceeded,
        ),
    },
)
@needs(Scope.WRITE)
def retry(
    *,
    job_id: JobId,
    response: Response,
    database: TheDatabase,
    key: TheKey = None,
    request_id: TheRequestId = None,
    once: TheOnce,
    backbones: TheBackbones,
    destinations: TheDestinations,
    settings: TheSettings,
    wanted: Annotated[Retry, Body(openapi_examples=examples.RETRIES)] = Retry(),  # noqa: B008
) -> Job:
    """Submits the job's specification again, the same or corrected, as a job that names the first.

    `chain` shows every job of the chain.
    """

    def make() -> str:
        again = retries.retry(
            connection,
            job_id,
            from_checkpoint=wanted.begin == "checkpoint",
            suggested=wanted.apply == "suggestion",
            patch=wanted.patch,
            key_id=key,
            request_id=request_id,
        )
        check_backbone(JobSpec.stored(again.spec), backbones, "patch")
        check_webhooks(JobSpec.stored(again.spec), destinations, "patch")
        check_workers(JobSpec.stored(again.spec), settings, "patch")
        return again.id

    try:
        with database.write() as connection:
            made, is_new = once.make(connection, wanted.model_dump(), make)
            job = _shown(connection, jobs.get(connection, made))
    except ValidationError as error:
        refused = [{**each, "loc": ("patch", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(refused) from error
    point_to(response, job, is_new)
    return job


def _get(database: Database, job_id: str) -> Job:
    with database.read() as connection:
        return _shown(connection, jobs.get(connection, job_id))


def _shown(connection: Connection, job: jobs.Job) -> Job:
    """A job with its chain of retries, and why it waits."""
    chain = retries.chain(connection, job)
    return answering.job(job, chain, waiting.of(connection, job))
