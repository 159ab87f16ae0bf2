"""Datasets of one's own: each name has versions, each version one file and what was found in it."""

from dataclasses import dataclass, fields
from typing import Any, TypeGuard

from sqlalchemy import Connection, Row, delete, insert, select, update

from app.codes import DatasetStatus
from app.jobspec import BUILT_IN_DATASETS, DatasetFacts
from app.store import dataset_use, dialects, keys
from app.store.database import now
from app.store.dataset_refs import PREFIX, parted
from app.store.errors import (
    DatasetNameTaken,
    DatasetNotFound,
    DatasetNotReady,
    NotAwaited,
)
from app.store.ids import new_ulid
from app.store.locks import hold_rows
from app.store.tables import dataset_names, dataset_reports, datasets


@dataclass(frozen=True)
class Dataset:
    """A version of a dataset as stored. Times are microseconds since 1970 (UTC)."""

    id: str
    name: str
    version: int
    kind: str
    options: dict[str, Any]
    file_name: str
    status: DatasetStatus
    created_at: int
    key_id: str | None
    content_sha256: str | None
    content_bytes: int
    progress: dict[str, Any] | None
    facts: dict[str, Any] | None
    refusal: dict[str, str] | None


_SELECT = select(*(datasets.c[field.name] for field in fields(Dataset)))


def _dataset(row: Row[Any]) -> Dataset:
    return Dataset(**dict(row._mapping) | {"status": DatasetStatus(row.status)})


def create(
    connection: Connection,
    name: str,
    kind: str,
    options: dict[str, Any],
    *,
    file_name: str = "",
    key_id: str | None = None,
) -> Dataset:
    """A new version of a name, which awaits its file.

    Raises:
        DatasetNameTaken: a built-in dataset has this name.
        DatasetNotFound: the version that it adds to was deleted.
        QuotaExceeded: the API key may store no more.
    """
    if name in BUILT_IN_DATASETS:
        raise DatasetNameTaken(name)
    base = options.get("base")
    if base is not None and base not in BUILT_IN_DATASETS:
        dataset_use.keep(connection, get(connection, base).id)
    if key_id is not None:
        keys.check_stored(connection, key_id)
    dataset_id = f"{PREFIX}{new_ulid(connection)}"
    connection.execute(
        insert(datasets).values(
            id=dataset_id,
            name=name,
            version=_next_version(connection, name),
            kind=kind,
            options=options,
            file_name=file_name,
            status=DatasetStatus.AWAITING_UPLOAD,
            created_at=now(connection),
            key_id=key_id,
            attempt=0,
            lost_attempts=0,
        )
    )
    return get(connection, dataset_id)


def _next_version(connection: Connection, name: str) -> int:
    count = dataset_names.c.last_version
    first = dialects.of(connection).insert(dataset_names).values(name=name, last_version=1)
    counted = first.on_conflict_do_update(
        index_elements=[dataset_names.c.name], set_={"last_version": count + 1}
    )
    version: int = connection.execute(counted.returning(count)).scalar_one()
    return version


def get(connection: Connection, ref: str) -> Dataset:
    """A version by its id, `name@version`, or the newest of a name.

    Raises:
        DatasetNotFound: there is none.
    """
    row = connection.execute(_SELECT.where(_named(ref)).order_by(_NEWEST).limit(1)).one_or_none()
    if row is None:
        raise DatasetNotFound(ref)
    return _dataset(row)


_NEWEST = datasets.c.version.desc()


def _named(ref: str) -> Any:
    if ref.startswith(PREFIX):
        return datasets.c.id == ref
    name, version = parted(ref)
    of_name = datasets.c.name == name
    return of_name if version is None else of_name & (datasets.c.version == version)


def newest(
    connection: Connection, limit: int, after: str | None = None, ref: str | None = None
) -> list[Dataset]:
    """Versions, newest first, from behind the id `after`: all, or those that `ref` names."""
    query = _SELECT.order_by(datasets.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(datasets.c.id < after)
    if ref is not None:
        query = query.where(_named(ref))
    return [_dataset(row) for row in connection.execute(query)]


@dataclass(frozen=True)
class Pulse:
    """What changes while a version is imported: enough to know whether to look again."""

    status: DatasetStatus
    progress: dict[str, Any] | None


def pulses(connection: Connection, dataset_ids: list[str]) -> dict[str, Pulse]:
    """The pulse of each of these versions, in one query; ids of other things are left out."""
    rows = connection.execute(
        select(datasets.c.id, datasets.c.status, datasets.c.progress).where(
            datasets.c.id.in_(dataset_ids)
        )
    )
    return {row.id: Pulse(DatasetStatus(row.status), row.progress) for row in rows}


def check_awaited(connection: Connection, dataset_id: str) -> Dataset:
    """The version, if it awaits its file.

    Raises:
        DatasetNotFound: there is no such version.
        NotAwaited: its file is there already.
    """
    dataset = get(connection, dataset_id)
    if dataset.status is not DatasetStatus.AWAITING_UPLOAD:
        raise NotAwaited(dataset_id, dataset.status)
    return dataset


def awaited_of(connection: Connection, key_id: str) -> list[str]:
    """Versions of an API key whose files have not arrived, or not all."""
    status = datasets.c.status == DatasetStatus.AWAITING_UPLOAD
    awaited = select(datasets.c.id).where(datasets.c.key_id == key_id, status)
    return list(connection.execute(awaited).scalars())


def uploaded(connection: Connection, dataset_id: str, digest: str, size: int) -> None:
    """Says that the file of a version is whole, and queues its import.

    Raises:
        DatasetNotFound, NotAwaited: see `check_awaited`.
    """
    hold_rows(connection, datasets.c.id, [dataset_id])
    check_awaited(connection, dataset_id)
    whole = {"content_sha256": digest, "content_bytes": size, "status": DatasetStatus.QUEUED}
    connection.execute(update(datasets).where(datasets.c.id == dataset_id).values(whole))


def retry(connection: Connection, ref: str) -> Dataset:
    """Queues the import of a refused version again: what stood in its way may be mended.

    Raises:
        DatasetNotFound: there is no such version.
        NotAwaited: it was not refused.
    """
    dataset = _held(connection, ref)
    if dataset.status is not DatasetStatus.REFUSED:
        raise NotAwaited(dataset.id, dataset.status)
    queued = {"status": DatasetStatus.QUEUED, "refusal": None, "lost_attempts": 0}
    connection.execute(update(datasets).where(datasets.c.id == dataset.id).values(queued))
    return get(connection, dataset.id)


def report(connection: Connection, ref: str) -> dict[str, Any]:
    """What the import has found.

    Raises:
        DatasetNotFound: there is no such version.
        DatasetNotReady: it has not been imported.
    """
    dataset = get(connection, ref)
    found = select(dataset_reports.c.content).where(dataset_reports.c.dataset_id == dataset.id)
    content: dict[str, Any] | None = connection.execute(found).scalar_one_or_none()
    if content is None:
        raise DatasetNotReady(dataset.id, dataset.status, dataset.refusal)
    return content


def remove(connection: Connection, ref: str) -> Dataset:
    """Deletes a version; an import under way finds its lease lost. Returns what it was.

    Raises:
        DatasetNotFound: there is no such version.
        DatasetInUse: a job that has not ended trains on it, or another version adds to it.
    """
    dataset = _held(connection, ref)
    dataset_use.check_unused(connection, dataset.id, f"{dataset.name}@{dataset.version}")
    connection.execute(delete(dataset_reports).where(dataset_reports.c.dataset_id == dataset.id))
    connection.execute(delete(datasets).where(datasets.c.id == dataset.id))
    return dataset


def _held(connection: Connection, ref: str) -> Dataset:
    """The version, which nobody else changes or deletes meanwhile."""
    hold_rows(connection, datasets.c.id, [get(connection, ref).id])
    return get(connection, ref)


def ids(connection: Connection) -> set[str]:
    """Every version that there is."""
    return set(connection.execute(select(datasets.c.id)).scalars())


def known_to(connection: Connection, *specs: Any) -> dict[str, DatasetFacts]:
    """The facts of the datasets that specs, or parts of specs, name: what validates them needs.

    A spec with facts that name a version means that version, `name@version` one version of the
    name, a bare name its newest version that is ready. Datasets that cannot be had are left out.
    """
    known: dict[str, DatasetFacts] = {}
    for spec in specs:
        wanted = spec.get("dataset") if isinstance(spec, dict) else None
        if not isinstance(wanted, dict):
            continue
        name, stated = wanted.get("name"), wanted.get("facts")
        if not _is_storable(name) or name in BUILT_IN_DATASETS:
            continue
        pinned = stated.get("id") if isinstance(stated, dict) else None
        which = _named(name)
        if _is_storable(pinned):
            which = which & (datasets.c.id == pinned)
        ready = _SELECT.where(which, datasets.c.status == DatasetStatus.READY)
        row = connection.execute(ready.order_by(_NEWEST).limit(1)).one_or_none()
        if row is not None:
            known[name] = known[row.name] = facts_of(_dataset(row))
    return known


def _is_storable(text: object) -> TypeGuard[str]:
    """Whether it is a text that a database can hold; a spec has not been checked when it is asked
    for its dataset."""
    if not isinstance(text, str) or "\0" in text:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in text)


def facts_of(dataset: Dataset) -> DatasetFacts:
    """What a job's spec says of a version that is ready."""
    found = dataset.facts or {}
    return DatasetFacts.stored({**found, "id": dataset.id, "version": dataset.version})
