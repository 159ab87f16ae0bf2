"""How a worker holds a job: renew, record, release.

A claim (queue.py) gives a lease and a new attempt number. Every write of a run passes `_fenced`: it
changes exactly one row, the job that is still running under that very attempt, or it is refused. A
worker that sleeps past its lease therefore writes nothing, and a job ends once.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Update, func, select, update

from app.codes import ENDED, FailureCode, Status, StopReason
from app.store import announcements, checkpoints, diagnoses, events, metrics, outbox
from app.store.database import now
from app.store.errors import IllegalMove, LeaseLost
from app.store.events import NewEvent
from app.store.outcomes import Died, Failed, Outcome, Stopped, Succeeded
from app.store.reported import Reported
from app.store.states import MOVES
from app.store.tables import jobs
from app.store.trained_models import TrainedModel, publish

SECOND = 1_000_000
LEASE = 30 * SECOND
"""How long a job stays with a worker that says nothing."""
CLOCK_TOLERANCE = 5 * SECOND
"""How far the clocks of two workers may differ without one taking away the other's lease."""
HEARTBEAT_SECONDS = 5.0
"""How often a worker renews its leases."""
MAX_LOST_ATTEMPTS = 3
"""After this many lost attempts without a newer checkpoint in between, a job fails."""


@dataclass(frozen=True)
class Lease:
    """The right to run a job: valid while the job is running under this attempt."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class Claim:
    """A job that a worker has just taken: its lease, and what the run needs to begin."""

    lease: Lease
    spec: dict[str, Any]
    checkpoint: bytes | None
    """Where the run goes on from; from the first step if there is none."""


def heartbeat(connection: Connection, leases: list[Lease]) -> None:
    """Renews the leases that still hold; the others change nothing."""
    until = now(connection) + LEASE
    for lease in leases:
        connection.execute(_held(lease).values(lease_expires_at=until))


@dataclass(frozen=True)
class Standing:
    """Whether a lease still holds, and why its owner wants the run to stop, if at all."""

    held: bool
    wish: StopReason | None


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
        if row is None:
            return Standing(held=False, wish=None)
        held = row.status == Status.RUNNING and row.attempt == lease.attempt
        return Standing(held, _wish(row))

    return {lease.job_id: standing(lease) for lease in leases}


def record(connection: Connection, lease: Lease, reported: Reported) -> None:
    """Writes what a run has reported, all of it or nothing.

    Raises:
        LeaseLost: the run does not hold the job any more.
    """
    values: dict[str, Any] = {}
    if reported.progress is not None:
        values["progress"] = reported.progress
        values["first_step_at"] = func.coalesce(jobs.c.first_step_at, now(connection))
    if reported.metrics:
        known = select(jobs.c.metrics).where(jobs.c.id == lease.job_id)
        found = connection.execute(known).scalar_one_or_none()
        values["metrics"] = (found or {}) | reported.metrics
    if reported.diagnosis is not None:
        values["verdict"] = diagnoses.verdict(reported.diagnosis)
    _fenced(connection, lease, values)
    events.append(connection, lease.job_id, reported.events)
    metrics.append(connection, lease.job_id, reported.points)
    if reported.checkpoint is not None:
        step, content = reported.checkpoint
        checkpoints.keep(connection, lease.job_id, step, content)
    if reported.diagnosis is not None:
        diagnoses.keep(connection, lease.job_id, reported.diagnosis)


@dataclass(frozen=True)
class _Next:
    """Where a job goes when its lease is released, and what is said of it."""

    status: Status
    message: str
    data: dict[str, Any]
    values: dict[str, Any]


def release(connection: Connection, lease: Lease, outcome: Outcome) -> Status:
    """Ends a lease: the one way out of a run. Returns the job's new state.

    What the job's owner wishes is read under the fence, so a wish that was acknowledged counts,
    however late it came: a run that stopped ends cancelled, paused or queued as its owner wants
    now, not as it was told. A result that is already there, a model or a failure, stands.

    What follows from an end is written to the outbox in the same transaction.

    Raises:
        LeaseLost: the run does not hold the job any more.
    """
    held = select(jobs).where(
        jobs.c.id == lease.job_id,
        jobs.c.attempt == lease.attempt,
        jobs.c.status == Status.RUNNING,
    )
    job = connection.execute(held.with_for_update()).one_or_none()
    if job is None:
        raise LeaseLost(lease.job_id, lease.attempt)
    to = _next(connection, job, outcome)
    if to.status not in MOVES[Status.RUNNING]:
        raise IllegalMove(job.id, job.status, f"ending its run as {to.status}")
    values = to.values | {
        "status": to.status,
        "worker": None,
        "lease_expires_at": None,
        "cancel_requested": False,
        "pause_requested": False,
    }
    if to.status in ENDED:
        values["ended_at"] = now(connection)
        outbox.add_autopilot(connection, job.id, job.spec, cancelled=job.cancel_requested)
    _fenced(connection, lease, values)
    if to.status is Status.SUCCEEDED:
        checkpoints.drop(connection, job.id)
    last = NewEvent("state", to.message, {"status": to.status, **to.data})
    events.append(connection, job.id, [last])
    announcements.announce(connection, job.id)
    return to.status


def _next(connection: Connection, job: Row[*tuple[Any, ...]], outcome: Outcome) -> _Next:
    """What the outcome means for a job whose owner wishes what its row says."""
    wish = _wish(job)
    match outcome:
        case Succeeded(model):
            return _success(connection, job, model)
        case Failed(code, message, advice):
            return _failure(code, message, advice)
        case Stopped() | Died() if wish is StopReason.CANCEL:
            return _Next(Status.CANCELLED, "cancelled", {}, {})
        case Died(how):
            return _lost(connection, job, how)
        case Stopped() if wish is StopReason.PAUSE:
            return _Next(Status.PAUSED, "paused", {}, {})
        case Stopped(StopReason.SHUTDOWN):
            return _Next(Status.QUEUED, "queued: its worker shuts down", {}, {})
        case Stopped(StopReason.DRAIN):
            return _Next(Status.QUEUED, "queued: its worker is drained", {}, {})
        case Stopped():
            return _Next(Status.QUEUED, "queued: its owner has resumed it", {}, {})


def _success(
    connection: Connection, job: Row[*tuple[Any, ...]], model: TrainedModel | None
) -> _Next:
    model_id = publish(connection, job.id, model) if model else None
    measured = model.metrics if model else {}
    scalars = {name: value for name, value in measured.items() if isinstance(value, float)}
    values = {"metrics": job.metrics | scalars}
    return _Next(Status.SUCCEEDED, "succeeded", {"model": model_id}, values)


def _failure(code: FailureCode, message: str, advice: str) -> _Next:
    failure = {"code": code.value, "message": message, "advice": advice}
    return _Next(Status.FAILED, f"failed: {message}", failure, {"failure": failure})


def _lost(connection: Connection, job: Row[*tuple[Any, ...]], how: str) -> _Next:
    """An attempt was lost: the job goes on, unless it loses every attempt at the same place.

    Lost attempts count anew once a newer checkpoint was kept: a long job outlives any number of
    evictions.
    """
    reached = checkpoints.newest_step(connection, job.id)
    moved_on = reached is not None and (job.lost_at_step is None or reached > job.lost_at_step)
    lost = 1 if moved_on else job.lost_attempts + 1
    counts = {"lost_attempts": lost, "lost_at_step": reached}
    if lost >= MAX_LOST_ATTEMPTS:
        failed = _failure(
            FailureCode.WORKER_LOST,
            f"The run died {lost} times without getting any further; the last time {how}.",
            "Often the memory did not suffice: try a smaller network or batch size.",
        )
        return _Next(failed.status, failed.message, failed.data, failed.values | counts)
    if job.pause_requested:
        return _Next(Status.PAUSED, f"paused: {how}", {}, counts)
    message = f"queued again: {how} (lost attempt {lost} of {MAX_LOST_ATTEMPTS})"
    return _Next(Status.QUEUED, message, {"lost_attempts": lost}, counts)


def _wish(job: Row[*tuple[Any, ...]]) -> StopReason | None:
    """What the job's owner wants of its run; to cancel it outweighs to pause it."""
    if job.cancel_requested:
        return StopReason.CANCEL
    return StopReason.PAUSE if job.pause_requested else None


def _held(lease: Lease) -> Update:
    return update(jobs).where(
        jobs.c.id == lease.job_id,
        jobs.c.attempt == lease.attempt,
        jobs.c.status == Status.RUNNING,
    )


def _fenced(connection: Connection, lease: Lease, values: dict[str, Any]) -> None:
    """The one gate of a run's writes: exactly one row changes, or LeaseLost is raised."""
    changed = connection.execute(_held(lease).values(attempt=lease.attempt, **values))
    if changed.rowcount != 1:
        raise LeaseLost(lease.job_id, lease.attempt)
