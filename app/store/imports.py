"""How a worker holds the import of a dataset: claim, renew, release, as it holds jobs.

Every write passes a fence: it changes the one version that is still importing under that attempt,
or it is refused.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, insert, or_, select, update

from app.codes import DatasetStatus
from app.jobspec import BUILT_IN_DATASETS, DatasetFacts
from app.store import workers
from app.store.database import now
from app.store.datasets import Dataset, get, known_to
from app.store.errors import LeaseLost
from app.store.leases import CLOCK_TOLERANCE, LEASE, MAX_LOST_ATTEMPTS, SECOND
from app.store.tables import dataset_reports, datasets

UNKNOWN = "Often the memory or the disk did not suffice; see the worker's log."
"""Advice where nothing is known but that the process has died."""
RESTS = (5 * SECOND, 25 * SECOND)
"""How long a hindered import waits for its second and its third attempt: what fills a disk is often
gone after seconds. No worker takes it meanwhile, for all may write to the same disk."""


@dataclass(frozen=True)
class ImportLease:
    """The right to import a version: valid while it is importing under this attempt."""

    dataset_id: str
    attempt: int


def any_waiting(connection: Connection) -> bool:
    """Whether an import waits: a look that takes no lock."""
    return connection.execute(_waiting(connection).limit(1)).first() is not None


def any_resting(connection: Connection) -> bool:
    """Whether an import rests: it will wait for a worker without any further commit."""
    resting = select(datasets.c.id).where(
        datasets.c.status == DatasetStatus.QUEUED, datasets.c.lease_expires_at.is_not(None)
    )
    return connection.execute(resting.limit(1)).first() is not None


def _waiting(connection: Connection) -> Select[Any]:
    """The ids of imports that wait and do not rest. What rests has no lease: there the time until
    which it rests is kept. One further ahead than a rest can be was written by a wrong clock."""
    at, until = now(connection), datasets.c.lease_expires_at
    is_rested = or_(until.is_(None), until <= at, until > at + max(RESTS) + CLOCK_TOLERANCE)
    return select(datasets.c.id).where(datasets.c.status == DatasetStatus.QUEUED, is_rested)


def claim(connection: Connection, worker: str) -> tuple[ImportLease, Dataset] | None:
    """Takes the oldest import that waits, or None where none does.

    A worker that is drained, or is not registered, takes none.
    """
    claiming = workers.claiming(connection, worker)
    if claiming is None or claiming.drain is not None:
        return None
    oldest = (
        _waiting(connection)
        .order_by(datasets.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = connection.execute(
        update(datasets)
        .where(datasets.c.id == oldest, datasets.c.status == DatasetStatus.QUEUED)
        .values(
            status=DatasetStatus.IMPORTING,
            attempt=datasets.c.attempt + 1,
            worker=worker,
            lease_expires_at=now(connection) + LEASE,
            progress=None,
        )
        .returning(datasets.c.id, datasets.c.attempt)
    ).one_or_none()
    if row is None:
        return None
    return ImportLease(row.id, row.attempt), get(connection, row.id)


def renew(connection: Connection, lease: ImportLease, progress: dict[str, Any] | None) -> None:
    """Renews a lease, and says how far the import is.

    Raises:
        LeaseLost: the version was deleted, or another worker imports it.
    """
    _fenced(connection, lease, lease_expires_at=now(connection) + LEASE, progress=progress)


def succeed(
    connection: Connection, lease: ImportLease, facts: dict[str, Any], report: dict[str, Any]
) -> None:
    """Ends an import that has made the version's arrays.

    Raises:
        LeaseLost: the version was deleted, or another worker imports it.
    """
    _released(connection, lease, DatasetStatus.READY, facts=facts)
    content = {"dataset_id": lease.dataset_id, "content": report}
    connection.execute(insert(dataset_reports).values(content))


def refuse(
    connection: Connection, lease: ImportLease, code: str, message: str, advice: str
) -> None:
    """Ends an import whose file cannot be used.

    Raises:
        LeaseLost: the version was deleted, or another worker imports it.
    """
    refusal = {"code": code, "message": message, "advice": advice}
    _released(connection, lease, DatasetStatus.REFUSED, refusal=refusal)


def put_back(connection: Connection, lease: ImportLease) -> None:
    """Queues an import again whose worker stops; it costs the version no attempt.

    Raises:
        LeaseLost: the version was deleted, or another worker imports it.
    """
    _released(connection, lease, DatasetStatus.QUEUED)


def lose(connection: Connection, lease: ImportLease, how: str) -> None:
    """Ends an import whose process or worker died: it is tried again, three times in all.

    Raises:
        LeaseLost: the version was deleted, or another worker imports it.
    """
    count = _count_lost(connection, lease)
    if count < MAX_LOST_ATTEMPTS:
        _released(connection, lease, DatasetStatus.QUEUED, lost_attempts=count)
    else:
        _give_up(connection, lease, count, how, UNKNOWN)


def hinder(connection: Connection, lease: ImportLease, how: str, advice: str) -> float | None:
    """Ends an import that the machine hindered, as a full disk does: it is tried again after a
    rest, three times in all. Returns the seconds of the rest, or None where it is refused.

    `advice` is what can be done about it, in whole sentences.

    Raises:
        LeaseLost: the version was deleted, or another worker imports it.
    """
    count = _count_lost(connection, lease)
    if count >= MAX_LOST_ATTEMPTS:
        _give_up(connection, lease, count, how, advice)
        return None
    rest = RESTS[count - 1]
    values = {"lost_attempts": count, "lease_expires_at": now(connection) + rest}
    _released(connection, lease, DatasetStatus.QUEUED, **values)
    return rest / SECOND


def _count_lost(connection: Connection, lease: ImportLease) -> int:
    """How many attempts are lost with this one."""
    lost = select(datasets.c.lost_attempts).where(datasets.c.id == lease.dataset_id)
    return (connection.execute(lost).scalar_one_or_none() or 0) + 1


def _give_up(connection: Connection, lease: ImportLease, count: int, how: str, advice: str) -> None:
    values: dict[str, Any] = {"lost_attempts": count}
    values["refusal"] = {
        "code": "import_lost",
        "message": f"The import died {count} times; the last time {how}.",
        "advice": f"{advice} Then POST /datasets/{lease.dataset_id}/retry.",
    }
    _released(connection, lease, DatasetStatus.REFUSED, **values)


def lose_expired(connection: Connection) -> None:
    """Takes back every import whose worker has let its lease expire."""
    at = now(connection)
    until = datasets.c.lease_expires_at
    _take_back(connection, or_(until < at, until > at + LEASE + CLOCK_TOLERANCE))


def lose_of(connection: Connection, worker: str) -> None:
    """Takes back every import of a worker that is known to be dead."""
    _take_back(connection, datasets.c.worker == worker)


def _take_back(connection: Connection, which: ColumnElement[bool]) -> None:
    importing = select(datasets.c.id, datasets.c.attempt, datasets.c.worker).where(
        datasets.c.status == DatasetStatus.IMPORTING, which
    )
    for row in connection.execute(importing.with_for_update(skip_locked=True)).all():
        with suppress(LeaseLost):  # another worker was faster
            lease = ImportLease(row.id, row.attempt)
            lose(connection, lease, f"its worker {row.worker} died or stopped responding")


def _released(
    connection: Connection, lease: ImportLease, status: DatasetStatus, **values: Any
) -> None:
    over = {"status": status, "worker": None, "lease_expires_at": None, "progress": None}
    _fenced(connection, lease, **over | values)


def _fenced(connection: Connection, lease: ImportLease, **values: Any) -> None:
    """The one gate of an import's writes: exactly one row changes, or LeaseLost is raised."""
    changed = connection.execute(
        update(datasets)
        .where(
            datasets.c.id == lease.dataset_id,
            datasets.c.attempt == lease.attempt,
            datasets.c.status == DatasetStatus.IMPORTING,
        )
        .values(**values)
    )
    if changed.rowcount != 1:
        raise LeaseLost(lease.dataset_id, lease.attempt)


def base_facts(connection: Connection, name: str) -> DatasetFacts | None:
    """The facts of a dataset that an import may add to: a built-in one, or one that is ready."""
    known = known_to(connection, {"dataset": {"name": name}})
    return known.get(name) or BUILT_IN_DATASETS.get(name)
