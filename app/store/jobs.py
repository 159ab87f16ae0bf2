"""Jobs as their owners see them: submit, look up, list, ask to cancel."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from app.codes import Status
from app.store import announcements, dataset_use, diagnoses, events, keys, lanes, outbox
from app.store.database import now
from app.store.dataset_refs import trained_on
from app.store.errors import IllegalMove, JobNotFound
from app.store.events import NewEvent
from app.store.ids import new_ulid
from app.store.locks import hold_rows
from app.store.states import MOVES
from app.store.tables import jobs, models


@dataclass(frozen=True)
class Job:
    """A job as stored. Times are microseconds since 1970 (UTC)."""

    id: str
    name: str
    labels: dict[str, str]
    spec: dict[str, Any]
    status: Status
    created_at: int
    started_at: int | None
    first_step_at: int | None
    ended_at: int | None
    attempt: int
    worker: str | None
    """Id of the worker that runs it."""
    cancel_requested: bool
    pause_requested: bool
    retry_of: str | None
    chain: str | None
    """Id of the first job of the chain of retries that this one is in; None for a first one."""
    applied: dict[str, Any] | None
    """The merge patch between the spec of the job that it retries and its own."""
    range_of: str | None
    """Id of the job for which this is a range test."""
    verdict: str
    """Code of the first finding, `unknown` while there is none, `off` where none is looked for."""
    key_id: str | None
    last_event: int
    progress: dict[str, Any] | None
    metrics: dict[str, Any]
    failure: dict[str, str] | None
    model_id: str | None


_COLUMNS = [jobs.c[field.name] for field in fields(Job) if field.name != "model_id"]
_SELECT = select(*_COLUMNS, models.c.id.label("model_id")).select_from(
    jobs.outerjoin(models, models.c.job_id == jobs.c.id)
)


def _job(row: Row[*tuple[Any, ...]]) -> Job:
    values = dict(row._mapping)
    return Job(**values | {"status": Status(values["status"])})


def submit(
    connection: Connection,
    spec: dict[str, Any],
    *,
    retry_of: str | None = None,
    chain: str | None = None,
    applied: dict[str, Any] | None = None,
    range_of: str | None = None,
    key_id: str | None = None,
    request_id: str | None = None,
) -> Job:
    """Stores a resolved spec as a queued job with its first event.

    Raises:
        QuotaExceeded: the API key may submit no more.
        DatasetNotFound: the dataset was deleted.
    """
    dataset_use.check_ready(connection, spec)
    if key_id is not None:
        keys.check_quota(connection, key_id)
    job_id, at = f"job_{new_ulid(connection)}", now(connection)
    connection.execute(
        insert(jobs).values(
            id=job_id,
            name=spec["name"],
            labels=spec["labels"],
            spec=spec,
            status=Status.QUEUED,
            created_at=at,
            **lanes.place(spec, key_id, at),
            attempt=0,
            lost_attempts=0,
            cancel_requested=False,
            last_event=0,
            metrics={},
            retry_of=retry_of,
            chain=chain,
            applied=applied,
            range_of=range_of,
            verdict=diagnoses.unread(spec),
            key_id=key_id,
        )
    )
    events.append(connection, job_id, [_said("queued", Status.QUEUED, request_id)])
    return get(connection, job_id)


def get(connection: Connection, job_id: str) -> Job:
    """The job with this id.

    Raises:
        JobNotFound: no job has it.
    """
    row = connection.execute(_SELECT.where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise JobNotFound(job_id)
    return _job(row)


def newest(
    connection: Connection,
    limit: int,
    after: str | None = None,
    statuses: list[Status] | None = None,
    labels: dict[str, str] | None = None,
    *,
    dataset: str | None = None,
    text: str | None = None,
    range_of: str | None = None,
) -> list[Job]:
    """Jobs that match every filter, newest first, from behind the id `after`.

    `dataset` is the name, `name@version` or id of one; `text` stands somewhere in the name or the
    id, in any case; `range_of` is the id of the job of which they are range tests.
    """
    query = _SELECT.order_by(jobs.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(jobs.c.id < after)
    if statuses:
        query = query.where(jobs.c.status.in_(statuses))
    for key, value in (labels or {}).items():
        query = query.where(jobs.c.labels[key].as_string() == value)
    if dataset is not None:
        query = query.where(trained_on(jobs.c.spec, dataset))
    if range_of is not None:
        query = query.where(jobs.c.range_of == range_of)
    if text is not None:
        found = (each.icontains(text, autoescape=True) for each in (jobs.c.name, jobs.c.id))
        query = query.where(or_(*found))
    return [_job(row) for row in connection.execute(query)]


@dataclass(frozen=True)
class Pulse:
    """What changes while a job lives: enough to know whether to look again."""

    status: Status
    last_event: int
    step: int


def pulses(connection: Connection, job_ids: list[str]) -> dict[str, Pulse]:
    """The pulse of each of these jobs, in one query."""
    rows = connection.execute(
        select(jobs.c.id, jobs.c.status, jobs.c.last_event, jobs.c.progress).where(
            jobs.c.id.in_(job_ids)
        )
    )
    return {
        row.id: Pulse(Status(row.status), row.last_event, (row.progress or {}).get("step", 0))
        for row in rows
    }


@dataclass(frozen=True)
class Changes:
    """Tells whether any job has changed: another value after every change of a state."""

    newest: str | None
    """Id of the job that was submitted last."""
    waiting: tuple[tuple[Status, int], ...]
    """How many jobs are queued and paused."""
    running: tuple[tuple[str, Pulse], ...]
    """The pulse of each running job."""


def changes(connection: Connection) -> Changes:
    """What is compared to learn whether any job has changed."""
    running = connection.execute(select(jobs.c.id).where(jobs.c.status == Status.RUNNING))
    count = select(func.count()).select_from(jobs)
    return Changes(
        newest=connection.execute(select(func.max(jobs.c.id))).scalar_one(),
        waiting=tuple(
            (status, connection.execute(count.where(jobs.c.status == status)).scalar_one())
            for status in (Status.QUEUED, Status.PAUSED)
        ),
        running=tuple(sorted(pulses(connection, list(running.scalars())).items())),
    )


def some(connection: Connection, job_ids: Iterable[str]) -> list[Job]:
    """Those of these jobs that exist, oldest first."""
    query = _SELECT.where(jobs.c.id.in_(list(job_ids))).order_by(jobs.c.id)
    return [_job(row) for row in connection.execute(query)]


def request_cancel(connection: Connection, job_id: str, request_id: str | None = None) -> Job:
    """Cancels a waiting job at once and asks a running one to stop; again is no error.

    It takes the place of a pause that has not happened yet.

    Raises:
        JobNotFound: no job has this id.
        IllegalMove: the job has succeeded or failed.
    """
    job = _held(connection, job_id)
    if job.status is Status.CANCELLED or job.cancel_requested:
        return job
    _check(job, Status.CANCELLED, "cancelling it")
    if job.status is Status.RUNNING:
        wish = {"cancel_requested": True, "pause_requested": False}
        return _change(connection, job, request_id, "cancelling", **wish)
    outbox.add_autopilot(connection, job.id, job.spec, cancelled=True)
    at = now(connection)
    return _change(connection, job, request_id, "cancelled", status=Status.CANCELLED, ended_at=at)


def request_pause(connection: Connection, job_id: str, request_id: str | None = None) -> Job:
    """Sets a waiting job aside at once and asks a running one to stop; again is no error.

    Raises:
        JobNotFound: no job has this id.
        IllegalMove: the job has ended, or is about to be cancelled.
    """
    job = _held(connection, job_id)
    if job.status is Status.PAUSED or job.pause_requested:
        return job
    _check(job, Status.PAUSED, "pausing it")
    if job.cancel_requested:
        raise IllegalMove(job_id, "being cancelled", "pausing it")
    if job.status is Status.RUNNING:
        return _change(connection, job, request_id, "pausing", pause_requested=True)
    return _change(connection, job, request_id, "paused", status=Status.PAUSED)


def resume(connection: Connection, job_id: str, request_id: str | None = None) -> Job:
    """Queues a paused job again, or takes back a pause that has not happened yet.

    Raises:
        JobNotFound: no job has this id.
        IllegalMove: the job is not paused.
    """
    job = _held(connection, job_id)
    if job.pause_requested:
        return _change(connection, job, request_id, "not pausing any more", pause_requested=False)
    if job.status is not Status.PAUSED:
        raise IllegalMove(job_id, job.status, "resuming it")
    return _change(connection, job, request_id, "queued", status=Status.QUEUED)


def _held(connection: Connection, job_id: str) -> Job:
    """The job, which no claim and no end of a run changes meanwhile."""
    hold_rows(connection, jobs.c.id, [job_id])
    return get(connection, job_id)


def _check(job: Job, status: Status, asked: str) -> None:
    if status not in MOVES[job.status]:
        raise IllegalMove(job.id, job.status, asked)


def _change(
    connection: Connection, job: Job, request_id: str | None, message: str, **values: Any
) -> Job:
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(**values))
    status = values.get("status", job.status)
    events.append(connection, job.id, [_said(message, status, request_id)])
    announcements.announce(connection, job.id)
    return get(connection, job.id)


def _said(message: str, status: Status, request_id: str | None) -> NewEvent:
    """A change of state, with the request that asked for it."""
    asked = {} if request_id is None else {"request_id": request_id}
    return NewEvent("state", message, {"status": status, **asked})
