"""Which of the waiting jobs a worker takes next: the claim.

The rule. A free slot goes to the API key with the fewest running jobs, among equals to the one
whose last start is longest ago; requests without a key count as one key together. Within a key
jobs go in the order of their submission, where each point of priority counts as a minute of
waiting (lanes.py), so that none waits for ever.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, literal_column, select, update

from app.codes import Status
from app.store import checkpoints, diagnoses, events, lanes, metrics, workers
from app.store.database import now
from app.store.events import NewEvent
from app.store.lanes import QUEUED, Lane
from app.store.leases import LEASE, Claim, Lease
from app.store.tables import jobs, keys
from app.store.workers import Worker


def has_work_for(connection: Connection, worker_id: str) -> bool:
    """Whether a job waits that a worker would take: a look that takes no lock."""
    if not lanes.any_waiting(connection):
        return False
    worker = workers.find(connection, worker_id)
    return worker is not None and bool(_open_to(worker, lanes.occupied(connection)))


def claim(connection: Connection, worker_id: str) -> Claim | None:
    """Takes the job whose turn it is among those that a worker can run; None where there is none.

    A worker that is drained, or is not registered, takes none.
    """
    worker = workers.claiming(connection, worker_id)
    if worker is None:
        return None
    for lane in _in_turn(connection, _open_to(worker, lanes.occupied(connection))):
        row = _take_first(connection, lane, worker)
        if row is not None:
            return _begun(connection, row, worker)
    return None


def _open_to(worker: Worker, occupied: Iterable[Lane]) -> list[Lane]:
    """The lanes from which a worker may take jobs."""
    if worker.drain is not None:
        return []
    return [lane for lane in occupied if not lane.requirements.unmet(worker)]


def _in_turn(connection: Connection, waiting: list[Lane]) -> list[Lane]:
    """The lanes by whose turn it is."""
    if len(waiting) < 2:
        return waiting
    running = _running_of_keys(connection)
    fewest = min(running.get(lane.key_id, 0) for lane in waiting)
    equals = {lane.key_id for lane in waiting if running.get(lane.key_id, 0) == fewest}
    started = _last_starts(connection, equals) if len(equals) > 1 else {}

    def turn(lane: Lane) -> tuple[int, int, int, str]:
        key = lane.key_id
        return running.get(key, 0), started.get(key, 0), lane.head, lane.name

    return sorted(waiting, key=turn)


def _running_of_keys(connection: Connection) -> dict[str | None, int]:
    counts = select(jobs.c.key_id, func.count().label("running")).group_by(jobs.c.key_id)
    rows = connection.execute(counts.where(jobs.c.status == Status.RUNNING))
    return {row.key_id: row.running for row in rows}


def _last_starts(connection: Connection, of: set[str | None]) -> dict[str | None, int]:
    """When the last attempt of each of these keys began; 0 for one without."""

    def latest(whose: ColumnElement[bool]) -> ColumnElement[int]:
        began = jobs.c.started_at > literal_column("0")  # as the partial index has it
        started = select(func.max(jobs.c.started_at)).where(whose, began)
        return func.coalesce(started.scalar_subquery(), 0)

    found: dict[str | None, int] = {}
    if None in of:
        found[None] = connection.execute(select(latest(jobs.c.key_id.is_(None)))).scalar_one()
    of_keys = select(keys.c.id, latest(jobs.c.key_id == keys.c.id).label("started_at"))
    rows = connection.execute(of_keys.where(keys.c.id.in_([key for key in of if key])))
    return found | {row.id: row.started_at for row in rows}


def _take_first(connection: Connection, lane: Lane, worker: Worker) -> Row[*tuple[Any, ...]] | None:
    """Takes the first job of a lane that no other claim holds."""
    first = (
        select(jobs.c.id)
        .where(jobs.c.status == QUEUED, jobs.c.lane == lane.name)
        .order_by(jobs.c.queue_at, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    at = now(connection)
    return connection.execute(
        update(jobs)
        .where(jobs.c.id == first, jobs.c.status == Status.QUEUED)
        .values(
            status=Status.RUNNING,
            attempt=jobs.c.attempt + 1,
            worker=worker.id,
            lease_expires_at=at + LEASE,
            started_at=at,
            first_step_at=None,
        )
        .returning(jobs.c.id, jobs.c.attempt, jobs.c.spec)
    ).one_or_none()


def _begun(connection: Connection, job: Row[*tuple[Any, ...]], worker: Worker) -> Claim:
    """Prepares an attempt: it starts from the newest checkpoint, and later metrics are removed."""
    checkpoint = checkpoints.newest(connection, job.id)
    metrics.forget_after(connection, job.id, checkpoint.step if checkpoint else -1)
    diagnoses.forget(connection, job.id)  # this attempt will say what it finds
    fresh: dict[str, Any] = {"verdict": diagnoses.unread(job.spec)}
    if checkpoint is None:
        fresh |= {"progress": None, "metrics": {}}
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(fresh))
    data = {"status": Status.RUNNING, "attempt": job.attempt}
    data |= {"worker": worker.id, "worker_name": worker.name}
    events.append(connection, job.id, [NewEvent("state", "running", data)])
    content = checkpoint.content if checkpoint else None
    return Claim(Lease(job.id, job.attempt), job.spec, content)
