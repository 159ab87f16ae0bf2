"""Workers: list them, look at one, take it out of service and back."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from app.answers.described import described
from app.answers.pages import Page
from app.answers.workers import WORKER_ID, Drain, Worker
from app.api.answering import rfc3339
from app.api.cursors import cursor, id_of, sort_key
from app.api.parameters import After, PageSize
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheDatabase
from app.jobspec import Text
from app.store import workers
from app.store.keys import Scope
from app.store.workers import WorkerNotFound

router = APIRouter(prefix="/workers", tags=["workers"], route_class=Route)

WorkerRef = Annotated[
    str,
    Path(description="Id or name of the worker.", examples=["gpu1", WORKER_ID], max_length=100),
    Text,
]


class DrainRequest(BaseModel):
    """How a worker is taken out of service."""

    model_config = ConfigDict(
        extra="forbid", strict=True, **described({"reason": "a new disk", "requeue": True})
    )

    reason: Annotated[str, Field(max_length=256), Text] | None = None
    """Why, for others who look at it. Null keeps the reason of an earlier call."""
    requeue: bool | None = None
    """Give its jobs back to the queue now, each with a checkpoint; otherwise they train on to their
    end. Null keeps what an earlier call said."""


@router.get("", summary="List workers, in the order of their starts")
@needs(Scope.READ)
def list_workers(database: TheDatabase, limit: PageSize = 20, after: After = None) -> Page[Worker]:
    """Who trains what. A worker that is stopped leaves the list at once; one that fell silent is
    `lost`, and forgotten after a day."""
    (behind,) = sort_key(after, id_of("wrk_")) or (None,)
    with database.read() as connection:
        found = workers.listed(connection, limit + 1, behind)
    page = found[:limit]
    return Page(
        data=[_answer(worker) for worker in page],
        next=cursor(page[-1].id) if len(found) > limit else None,
    )


@router.get("/{ref}", summary="Look at a worker", responses=documented(WorkerNotFound))
@needs(Scope.READ)
def get_worker(ref: WorkerRef, database: TheDatabase) -> Worker:
    """A worker with what it offers, and the jobs that it trains."""
    with database.read() as connection:
        return _answer(workers.get(connection, ref))


@router.post(
    "/{ref}/drain",
    summary="Take a worker out of service",
    responses=documented(413, 415, WorkerNotFound),
)
@needs(Scope.ADMIN)
def drain(
    ref: WorkerRef,
    database: TheDatabase,
    wanted: DrainRequest = DrainRequest(),  # noqa: B008
) -> Worker:
    """The worker takes no more jobs and no more imports from this answer on. It is `drained` once
    those that it has have ended, or at once with `requeue`, as soon as each has its checkpoint.

    Repeating it is no error, and changes only what the body gives. A drain outlives a crash of the
    worker, and ends with its stop.
    """
    with database.write() as connection:
        drained = workers.drain(connection, ref, wanted.reason, gives_back=wanted.requeue)
        return _answer(drained)


@router.post(
    "/{ref}/resume", summary="Put a worker back into service", responses=documented(WorkerNotFound)
)
@needs(Scope.ADMIN)
def resume(ref: WorkerRef, database: TheDatabase) -> Worker:
    """The worker takes jobs again, at once. Repeating it is no error."""
    with database.write() as connection:
        return _answer(workers.resume(connection, ref))


def _answer(stored: workers.Worker) -> Worker:
    drain = stored.drain
    return Worker(
        id=stored.id,
        name=stored.name,
        host=stored.host,
        status=stored.status,
        version=stored.version,
        labels=stored.labels,
        slots=stored.slots,
        engine=stored.engine,
        threads=stored.threads,
        memory_mb=stored.memory_mb,
        device=stored.device,
        device_name=stored.device_name,
        started_at=rfc3339(stored.started_at),
        heartbeat_at=rfc3339(stored.heartbeat_at),
        drain=drain
        and Drain(
            since=rfc3339(drain.drained_at), reason=drain.drain_reason, requeue=drain.gives_back
        ),
        jobs=list(stored.jobs),
        datasets=list(stored.datasets),
    )
