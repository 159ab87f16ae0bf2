"""Workers: who they are, what they offer, what they hold, and whether they take jobs."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, fields
from itertools import count

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update

from app.codes import DatasetStatus, Status, WorkerStatus
from app.store.database import now
from app.store.errors import StoreError
from app.store.locks import hold_name
from app.store.tables import datasets, jobs, workers

SECOND = 1_000_000
ALIVE_SECONDS = 30
ALIVE = ALIVE_SECONDS * SECOND
"""How long a worker that says nothing counts as alive: the length of a lease."""
FORGET_WORKERS = 24 * 3600 * SECOND
"""When a worker that died without a word is no longer listed."""


class WorkerNotFound(StoreError):
    """No worker has this id or name."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is no worker {ref!r}; GET /workers lists them.")


@dataclass(frozen=True)
class Offer:
    """What a worker offers to jobs."""

    name: str
    """What people call it."""
    host: str
    version: str
    """Of traind."""
    labels: dict[str, str]
    slots: int
    """How many jobs it runs at once."""
    engine: str
    """Where they execute: `local` or `ray`."""
    threads: int
    """Most threads of one job."""
    memory_mb: int
    """Memory that it gives each run, in MB."""
    device: str
    """`cuda` where runs find a GPU, or `cpu`."""
    device_name: str | None
    """What the GPU calls itself."""


@dataclass(frozen=True)
class Drain:
    """The wish that a worker takes no more jobs. Times are microseconds since 1970 (UTC)."""

    drained_at: int
    drain_reason: str
    gives_back: bool
    """Whether the jobs that it holds go back to the queue now, instead of going on to their end."""


@dataclass(frozen=True)
class Worker(Offer):
    """A worker as stored, with what it holds. Times are microseconds since 1970 (UTC)."""

    id: str
    started_at: int
    heartbeat_at: int
    is_alive: bool
    drain: Drain | None
    jobs: tuple[str, ...]
    """Ids of the jobs that it runs, oldest first."""
    datasets: tuple[str, ...]
    """Ids of the datasets that it imports."""

    @property
    def status(self) -> WorkerStatus:
        """What it does with waiting jobs."""
        if not self.is_alive:
            return WorkerStatus.LOST
        if self.drain is None:
            return WorkerStatus.READY
        holds = self.jobs or self.datasets
        return WorkerStatus.DRAINING if holds else WorkerStatus.DRAINED


def register(
    connection: Connection, worker_id: str, offer: Offer, drain: Drain | None = None
) -> str:
    """Adds a worker that has just started; returns its name, which no other living one has."""
    at = now(connection)
    name = _free_name(connection, offer.name)
    given = asdict(offer) | {"name": name} | (asdict(drain) if drain else {})
    connection.execute(
        insert(workers).values(id=worker_id, started_at=at, heartbeat_at=at, **given)
    )
    return name


def _free_name(connection: Connection, wanted: str) -> str:
    hold_name(connection, "names of workers")
    taken = set(connection.execute(select(workers.c.name).where(_alive(connection))).scalars())
    names = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def heartbeat(connection: Connection, worker_id: str) -> bool:
    """Says that a worker lives, and forgets those that died long ago; False if it is not known."""
    at = now(connection)
    connection.execute(delete(workers).where(workers.c.heartbeat_at < at - FORGET_WORKERS))
    alive = update(workers).where(workers.c.id == worker_id).values(heartbeat_at=at)
    return connection.execute(alive).rowcount == 1


def leave(connection: Connection, worker_id: str) -> Drain | None:
    """Removes a worker that has ended; returns its drain, if it had one."""
    found = connection.execute(select(workers).where(workers.c.id == worker_id)).one_or_none()
    connection.execute(delete(workers).where(workers.c.id == worker_id))
    return _drain(found) if found else None


def keep_speed(connection: Connection, worker_id: str, speed: dict[str, float]) -> None:
    """Keeps what a worker's calibration has measured."""
    connection.execute(update(workers).where(workers.c.id == worker_id).values(speed=speed))


def latest_speed(connection: Connection) -> dict[str, float] | None:
    """What the worker that was heard last has measured of itself, or None."""
    measured = select(workers.c.speed).order_by(workers.c.heartbeat_at.desc())
    return connection.execute(
        measured.where(workers.c.speed.is_not(None)).limit(1)
    ).scalar_one_or_none()


def any_alive(connection: Connection, among: Collection[str] | None = None) -> bool:
    """Whether a worker (one of these ids) has been heard lately."""
    recent = select(workers.c.id).where(_alive(connection)).limit(1)
    if among is not None:
        recent = recent.where(workers.c.id.in_(among))
    return connection.execute(recent).first() is not None


def get(connection: Connection, ref: str) -> Worker:
    """The worker with this id, or the one with this name that was heard last.

    Raises:
        WorkerNotFound: there is none.
    """
    named = or_(workers.c.id == ref, workers.c.name == ref)
    last = select(workers).where(named).order_by(workers.c.heartbeat_at.desc(), workers.c.id.desc())
    row = connection.execute(last.limit(1)).one_or_none()
    if row is None:
        raise WorkerNotFound(ref)
    return next(_with_what_they_hold(connection, [row]))


def listed(
    connection: Connection, limit: int | None = None, after: str | None = None
) -> list[Worker]:
    """Workers by their starts, from behind the id `after`; lost ones, too."""
    query = select(workers).order_by(workers.c.id).limit(limit)
    if after is not None:
        query = query.where(workers.c.id > after)
    return list(_with_what_they_hold(connection, connection.execute(query).all()))


def drain(
    connection: Connection, ref: str, reason: str | None = None, *, gives_back: bool | None = None
) -> Worker:
    """Has a worker take no more jobs, or changes how it was asked to; None keeps what was said.

    Raises:
        WorkerNotFound: there is no such worker.
    """
    found = _held(connection, ref)
    said = Drain(now(connection), "", gives_back=False) if found.drain is None else found.drain
    values = {
        "drained_at": said.drained_at,
        "drain_reason": said.drain_reason if reason is None else reason,
        "gives_back": said.gives_back if gives_back is None else gives_back,
    }
    connection.execute(update(workers).where(workers.c.id == found.id).values(values))
    return get(connection, found.id)


def resume(connection: Connection, ref: str) -> Worker:
    """Has a drained worker take jobs again; one that takes them stays as it is.

    Raises:
        WorkerNotFound: there is no such worker.
    """
    found = _held(connection, ref)
    values = {"drained_at": None, "drain_reason": None, "gives_back": False}
    connection.execute(update(workers).where(workers.c.id == found.id).values(values))
    return get(connection, found.id)


def find(connection: Connection, worker_id: str) -> Worker | None:
    """The worker with this id, without what it holds; None if it is not known."""
    row = connection.execute(select(workers).where(workers.c.id == worker_id)).one_or_none()
    return _worker(row, is_alive=True) if row else None


def claiming(connection: Connection, worker_id: str) -> Worker | None:
    """The worker of a claim: it stays as it is until the claim ends, so a drain waits for it."""
    mine = select(workers).where(workers.c.id == worker_id)
    row = connection.execute(mine.with_for_update(read=True)).one_or_none()
    return _worker(row, is_alive=True) if row else None


def gives_back(connection: Connection, worker_id: str) -> bool:
    """Whether a worker is to give back the jobs that it holds."""
    wanted = select(workers.c.gives_back).where(workers.c.id == worker_id)
    return bool(connection.execute(wanted).scalar_one_or_none())


def _held(connection: Connection, ref: str) -> Worker:
    found = get(connection, ref)
    held = select(workers.c.id).where(workers.c.id == found.id).with_for_update()
    if connection.execute(held).one_or_none() is None:
        raise WorkerNotFound(ref)
    return get(connection, found.id)


def _alive(connection: Connection) -> ColumnElement[bool]:
    """Whether a worker was heard lately.

    One that was heard long from now said so before the clock was set back, and may be dead.
    """
    at = now(connection)
    return workers.c.heartbeat_at.between(at - ALIVE, at + ALIVE)


def count_alive(connection: Connection) -> int:
    """How many workers were heard lately."""
    return connection.execute(select(func.count()).where(_alive(connection))).scalar_one()


def _with_what_they_hold(
    connection: Connection, rows: Collection[Row[*tuple[object, ...]]]
) -> Iterator[Worker]:
    at = now(connection)
    ids = [row.id for row in rows]
    running = select(jobs.c.worker, jobs.c.id).where(jobs.c.status == Status.RUNNING)
    importing = select(datasets.c.worker, datasets.c.id).where(
        datasets.c.status == DatasetStatus.IMPORTING
    )
    runs = connection.execute(running.where(jobs.c.worker.in_(ids)).order_by(jobs.c.id)).all()
    imports = connection.execute(importing.where(datasets.c.worker.in_(ids))).all()
    for row in rows:
        yield _worker(
            row,
            is_alive=abs(at - row.heartbeat_at) <= ALIVE,
            jobs=tuple(run.id for run in runs if run.worker == row.id),
            datasets=tuple(each.id for each in imports if each.worker == row.id),
        )


def _worker(
    row: Row[*tuple[object, ...]],
    *,
    is_alive: bool,
    jobs: tuple[str, ...] = (),
    datasets: tuple[str, ...] = (),
) -> Worker:
    return Worker(
        **{each.name: row._mapping[each.name] for each in fields(Offer)},
        id=row.id,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        is_alive=is_alive,
        drain=_drain(row),
        jobs=jobs,
        datasets=datasets,
    )


def _drain(row: Row[*tuple[object, ...]]) -> Drain | None:
    if row.drained_at is None:
        return None
    return Drain(row.drained_at, row.drain_reason or "", row.gives_back)
