"""What needs a dataset: it is kept from being deleted meanwhile."""

from typing import Any

from sqlalchemy import Connection, select

from app.codes import DatasetStatus
from app.store.errors import DatasetInUse, DatasetNotFound
from app.store.locks import hold_rows
from app.store.tables import datasets, jobs


def check_ready(connection: Connection, spec: dict[str, Any]) -> None:
    """Checks, in the transaction that stores a job, that its dataset is still there.

    Raises:
        DatasetNotFound: it was deleted meanwhile.
    """
    pinned = spec.get("dataset", {}).get("facts", {}).get("id")
    if pinned is not None:
        keep(connection, pinned)


def keep(connection: Connection, dataset_id: str) -> None:
    """Keeps a version from being deleted until this write has ended.

    Raises:
        DatasetNotFound: it was deleted.
    """
    if not hold_rows(connection, datasets.c.id, [dataset_id], shared=True):
        raise DatasetNotFound(dataset_id)


def check_unused(connection: Connection, dataset_id: str, called: str) -> None:
    """Checks that nothing needs a version, which the caller holds; `called` is its `name@version`.

    Raises:
        DatasetInUse: a job that has not ended trains on it, or another version adds to it.
    """
    user = jobs.c.spec["dataset"]["facts"]["id"].as_string() == dataset_id
    waiting = select(jobs.c.id).where(jobs.c.ended_at.is_(None), user).limit(1)
    job_id = connection.execute(waiting).scalar_one_or_none()
    if job_id is not None:
        reason = f"{job_id} trains on it and has not ended; cancel it first, or wait for it"
        raise DatasetInUse(dataset_id, reason)
    # Lost arrays of those that add to it are made again from it; a refused one has none.
    adds = datasets.c.options["base"].as_string() == called
    needy = select(datasets.c.name, datasets.c.version).order_by(datasets.c.id)
    added = connection.execute(needy.where(adds, datasets.c.status != DatasetStatus.REFUSED)).all()
    if added:
        names = ", ".join(f"{row.name}@{row.version}" for row in added)
        raise DatasetInUse(dataset_id, f"it is the base of {names}; delete what adds to it first")
