"""How a worker holds a job: claim, heartbeat, record, and the ways in which a run ends.

A claim gives a lease and a new attempt number. Every write of a run passes `_fenced`: it changes
exactly one row, the job that is still running under that very attempt, or nothing at all. So a
worker that sleeps past its lease and wakes writes nothing, and a job ends once.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Update, select, update

from app.codes import FailureCode
from app.store import autopilot, checkpoints, diagnoses, events, metrics, trained_models
from app.store.database import now
from app.store.errors import LeaseLost
from app.store.events import NewEvent
from app.store.metrics import Point
from app.store.states import Status
from app.store.tables import jobs
from app.store.trained_models import TrainedModel

SECOND = 1_000_000
LEASE = 30 * SECOND
"""How long a job stays with a worker that says nothing."""
HEARTBEAT_SECONDS = 5.0
"""How often a worker renews its leases."""
MAX_LOSSES = 3
"""How many dead processes one job may cost before it fails."""


@dataclass(frozen=True)
class Lease:
    """The right to run a job: valid while the job is running under this attempt."""

    job_id: str
    attempt: int
    spec: dict[str, Any]
    checkpoint: bytes | None = None
    """Where the run goes on from."""


def any_waiting(connection: Connection) -> bool:
    """Whether a job waits: a look that takes no lock."""
    waiting = select(jobs.c.id).where(jobs.c.status == Status.QUEUED).limit(1)
    return connection.execute(waiting).first() is not None


def claim(connection: Connection, worker: str) -> Lease | None:
    """Takes the oldest waiting job, or None where no job waits."""
    oldest = (
        select(jobs.c.id)
        .where(jobs.c.status == Status.QUEUED)
        .order_by(jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    at = now(connection)
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == oldest, jobs.c.status == Status.QUEUED)
        .values(
            status=Status.RUNNING,
            attempt=jobs.c.attempt + 1,
            worker=worker,
            lease_expires_at=at + LEASE,
            started_at=at,
            first_step_at=None,
        )
        .returning(jobs.c.id, jobs.c.attempt, jobs.c.spec)
    ).one_or_none()
    if row is None:
        return None
    checkpoint = checkpoints.newest(connection, row.id)
    metrics.forget_after(connection, row.id, checkpoint.step if checkpoint else -1)
    diagnoses.forget(connection, row.id)  # this attempt will say what it finds
    fresh: dict[str, Any] = {"verdict": diagnoses.unread(row.spec)}
    if checkpoint is None:
        fresh |= {"progress": None, "metrics": {}}
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(fresh))
    events.append(
        connection,
        row.id,
        [NewEvent("state", "running", {"status": Status.RUNNING, "attempt": row.attempt})],
    )
    return Lease(row.id, row.attempt, row.spec, checkpoint.content if checkpoint else None)


def heartbeat(connection: Connection, leases: list[Lease]) -> None:
    """Renews the leases that still hold; the others change nothing."""
    until = now(connection) + LEASE
    for lease in leases:
        connection.execute(_held(lease).values(lease_expires_at=until))


@dataclass(frozen=True)
class Standing:
    """How a lease stands: whether it holds, and what the owner wants: `cancel` or `pause`."""

    held: bool
    wanted: str | None


def standings(connection: Connection, leases: list[Lease]) -> dict[str, Standing]:
    """How each of these leases stands, by job id."""
    rows = connection.execute(
        select(
            jobs.c.id,
            jobs.c.attempt,
            jobs.c.status,
            jobs.c.cancel_requested,
            jobs.c.pause_requested,
        ).where(jobs.c.id.in_([lease.job_id for lease in leases]))
    )
    found = {row.id: row for row in rows}

    def standing(lease: Lease) -> Standing:
        row = found.get(lease.job_id)
        held = row is not None and row.status == Status.RUNNING and row.attempt == lease.attempt
        if row is None:
            return Standing(False, None)
        wanted = "cancel" if row.cancel_requested else "pause" if row.pause_requested else None
        return Standing(held, wanted)

    return {lease.job_id: standing(lease) for lease in leases}


def record(
    connection: Connection,
    lease: Lease,
    *,
    progress: dict[str, Any] | None = None,
    latest: dict[str, float] | None = None,
    first_step: bool = False,
    happened: list[NewEvent] | None = None,
    points: list[Point] | None = None,
    checkpoint: tuple[int, bool, bytes] | None = None,
    diagnosis: dict[str, Any] | None = None,
) -> None:
    """Writes what a run has reported, all of it or nothing.

    `checkpoint` is its step, whether it is the best so far, and its content. A `diagnosis` replaces
    the one before.

    Raises:
        LeaseLost: the run does not hold the job any more.
    """
    values: dict[str, Any] = {}
    if progress is not None:
        values["progress"] = progress
    if latest:
        held = select(jobs.c.metrics).where(jobs.c.id == lease.job_id)
        values["metrics"] = connection.execute(held).scalar_one() | latest
    if first_step:
        values["first_step_at"] = now(connection)
    if diagnosis is not None:
        values["verdict"] = diagnoses.verdict(diagnosis)
    _fenced(connection, lease, happened or [], **values)
    metrics.append(connection, lease.job_id, points or [])
    if checkpoint is not None:
        step, _, content = checkpoint
        checkpoints.keep(connection, lease.job_id, step, content)
    if diagnosis is not None:
        diagnoses.keep(connection, lease.job_id, diagnosis)


def requeue(connection: Connection, lease: Lease, reason: str) -> None:
    """Puts the job of a planned stop back in the queue; no attempt is held against it."""
    _fenced(
        connection,
        lease,
        [NewEvent("state", f"queued: {reason}", {"status": Status.QUEUED})],
        **_released(Status.QUEUED),
    )


def pause(connection: Connection, lease: Lease) -> None:
    """Sets the job aside because its owner asked, with its newest checkpoint."""
    _fenced(
        connection,
        lease,
        [NewEvent("state", "paused", {"status": Status.PAUSED})],
        pause_requested=False,
        **_released(Status.PAUSED),
    )


def lose(connection: Connection, lease: Lease, reason: str) -> None:
    """Queues a job whose process died; one that has cost too many processes fails."""
    before = connection.execute(select(jobs.c.losses).where(jobs.c.id == lease.job_id))
    losses = before.scalar_one() + 1
    if losses < MAX_LOSSES:
        message = f"queued again: {reason} (loss {losses} of {MAX_LOSSES})"
        event = NewEvent("state", message, {"status": Status.QUEUED, "losses": losses})
        _fenced(connection, lease, [event], losses=losses, **_released(Status.QUEUED))
        return
    fail(
        connection,
        lease,
        code=FailureCode.WORKER_LOST,
        message=f"The run died {losses} times; the last time {reason}.",
        advice="Often the memory did not suffice: try a smaller network or batch size.",
        losses=losses,
    )


def succeed(connection: Connection, lease: Lease, model: TrainedModel | None) -> str | None:
    """Publishes the model and ends its job, in one transaction; returns the model's id.

    A range test leaves no model.
    """
    model_id = trained_models.publish(connection, lease.job_id, model) if model else None
    held = select(jobs.c.metrics).where(jobs.c.id == lease.job_id)
    measured = model.metrics if model else {}
    scalars = {name: value for name, value in measured.items() if isinstance(value, float)}
    _fenced(
        connection,
        lease,
        [],
        metrics=connection.execute(held).scalar_one() | scalars,
        **_released(Status.SUCCEEDED),
        ended_at=now(connection),
    )
    checkpoints.drop(connection, lease.job_id)
    said = autopilot.follow(connection, lease.job_id)
    last = NewEvent("state", "succeeded", {"status": Status.SUCCEEDED, "model": model_id})
    events.append(connection, lease.job_id, [*said, last])
    return model_id


def fail(
    connection: Connection,
    lease: Lease,
    *,
    code: FailureCode,
    message: str,
    advice: str,
    **values: Any,
) -> None:
    """Ends the job with a reason that its owner can act on."""
    failure = {"code": code.value, "message": message, "advice": advice}
    _fenced(
        connection,
        lease,
        [],
        failure=failure,
        **_released(Status.FAILED),
        ended_at=now(connection),
        **values,
    )
    said = autopilot.follow(connection, lease.job_id)
    last = NewEvent("state", f"failed: {message}", {"status": Status.FAILED, **failure})
    events.append(connection, lease.job_id, [*said, last])


def cancel(connection: Connection, lease: Lease) -> None:
    """Ends the job because its owner asked."""
    _fenced(
        connection,
        lease,
        [NewEvent("state", "cancelled", {"status": Status.CANCELLED})],
        **_released(Status.CANCELLED),
        ended_at=now(connection),
    )


def _released(status: Status) -> dict[str, Any]:
    return {"status": status, "worker": None, "lease_expires_at": None}


def _held(lease: Lease) -> Update:
    return update(jobs).where(
        jobs.c.id == lease.job_id,
        jobs.c.attempt == lease.attempt,
        jobs.c.status == Status.RUNNING,
    )


def _fenced(connection: Connection, lease: Lease, happened: list[NewEvent], **values: Any) -> None:
    """The one gate of a run's writes: exactly one row changes, or LeaseLost is raised."""
    changed = connection.execute(_held(lease).values(attempt=lease.attempt, **values))
    if changed.rowcount != 1:
        raise LeaseLost(lease.job_id, lease.attempt)
    events.append(connection, lease.job_id, happened)
