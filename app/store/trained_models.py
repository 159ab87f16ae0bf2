"""Trained models and their files: publish, find by id or alias, list, describe, delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from app.jobspec.training import Score
from app.store import stored
from app.store.aliases import LATEST, PRODUCTION, point
from app.store.database import now
from app.store.dataset_refs import trained_on
from app.store.errors import FileDamaged, ModelInUse, ModelNotFound, NoReport
from app.store.ids import new_ulid
from app.store.locks import hold_rows
from app.store.tables import aliases, jobs, model_files, models, promotions


@dataclass(frozen=True)
class TrainedModel:
    """What a finished run publishes. `files` maps each kind to its bytes.

    Kinds: `weights`, `onnx`, `report` (JSON) and `answers` (safetensors).
    """

    signature: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    weights_sha256: str
    files: dict[str, bytes]


@dataclass(frozen=True)
class File:
    """A file of a model: its SHA-256 in hexadecimal and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Model:
    """A model as stored, without its files. `created_at` is microseconds since 1970 (UTC)."""

    id: str
    job_id: str
    name: str
    description: str
    created_at: int
    spec: dict[str, Any]
    signature: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    weights_sha256: str
    aliases: list[str]
    files: dict[str, File]


def publish(connection: Connection, job_id: str, model: TrainedModel) -> str:
    """Stores a model with its files and moves `latest` to it; returns its id."""
    model_id = f"model_{new_ulid(connection)}"
    at = now(connection)
    job = connection.execute(select(jobs.c.name, jobs.c.spec).where(jobs.c.id == job_id)).one()
    connection.execute(
        insert(models).values(
            id=model_id,
            job_id=job_id,
            name=job.name,
            created_at=at,
            spec=job.spec,
            signature=model.signature,
            metrics=model.metrics,
            provenance=model.provenance,
            weights_sha256=model.weights_sha256,
        )
    )
    for kind, content in model.files.items():
        digest = sha256(content).hexdigest()
        connection.execute(
            insert(model_files).values(model_id=model_id, kind=kind, sha256=digest, content=content)
        )
    stored.recount(connection, job_id)
    point(connection, LATEST, model_id)
    return model_id


def resolve(connection: Connection, ref: str | None) -> str:
    """The id of the model that an id or an alias names; None names production, or else latest.

    Raises:
        ModelNotFound: nothing has this id or alias.
    """
    if ref is None:
        set_up = select(aliases.c.model_id).where(aliases.c.name == PRODUCTION)
        found = connection.execute(set_up).scalar_one_or_none()
        return found or resolve(connection, LATEST)
    by_alias = select(aliases.c.model_id).where(aliases.c.name == ref)
    by_id = select(models.c.id).where(models.c.id == ref)
    model_id = connection.execute(by_alias.union_all(by_id).limit(1)).scalar_one_or_none()
    if model_id is None:
        raise ModelNotFound(ref)
    return str(model_id)


def resolve_version(connection: Connection, ref: str, version: str) -> str:
    """The id of a version of an alias; the versions are the ids of the models that it has named.

    Raises:
        ModelNotFound: the alias has never named this model, or the model was deleted.
    """
    if version == resolve(connection, ref):
        return version
    ever = select(promotions.c.model_id).where(
        promotions.c.alias == ref, promotions.c.model_id == version
    )
    if connection.execute(ever.limit(1)).scalar_one_or_none() is None:
        raise ModelNotFound(f"{ref}/{version}")
    return resolve(connection, version)


def get(connection: Connection, ref: str | None) -> Model:
    """The model that an id or an alias names.

    Raises:
        ModelNotFound: nothing has this id or alias.
    """
    model_id = resolve(connection, ref)
    rows = connection.execute(select(models).where(models.c.id == model_id)).all()
    (model,) = _models(connection, rows)
    return model


Order = Literal["newest", "oldest", "accuracy", "loss"] | Score
"""But for the first two, the best of that measure on the test images first."""
LOSSES = ("loss", "log_loss")
"""Measures that are better the lower they are."""


@dataclass(frozen=True)
class Ranked:
    """A model of a list with the number that the list is sorted by; equal ones are by id."""

    rank: float
    model: Model


def listed(
    connection: Connection,
    limit: int,
    after: tuple[float, str] | None = None,
    order: Order = "newest",
    *,
    job: str | None = None,
    dataset: str | None = None,
    min_accuracy: float | None = None,
    labels: dict[str, str] | None = None,
) -> list[Ranked]:
    """Models that match every filter, in order, from behind the rank and id `after`.

    The model of that id may have been deleted. Ranks are 0 where the order is by id alone.
    """
    accuracy = models.c.metrics["test_accuracy"].as_float()
    rank = _rank(order)
    query = select(models, rank.label("rank")).limit(limit)
    if job is not None:
        query = query.where(models.c.job_id == job)
    if dataset is not None:
        query = query.where(trained_on(models.c.spec, dataset))
    if min_accuracy is not None:
        query = query.where(accuracy >= min_accuracy)
    for key, value in (labels or {}).items():
        query = query.where(models.c.spec["labels"][key].as_string() == value)
    if after is not None:
        last_rank, last_id = after
        behind = models.c.id > last_id if order == "oldest" else models.c.id < last_id
        query = query.where(or_(rank > last_rank, (rank == last_rank) & behind))
    by_id = models.c.id.asc() if order == "oldest" else models.c.id.desc()
    rows = connection.execute(query.order_by(rank, by_id)).all()
    found = _models(connection, rows)
    return [Ranked(row.rank, model) for row, model in zip(rows, found, strict=True)]


def _rank(order: Order) -> ColumnElement[float]:
    """What models are sorted by, the lowest first; those without the measure come last."""
    if order in ("newest", "oldest"):
        return literal(0.0)
    measure = models.c.metrics[f"test_{order}"].as_float()
    return func.coalesce(measure if order in LOSSES else -measure, 1e300)


def describe(connection: Connection, ref: str, changes: dict[str, str]) -> Model:
    """Changes a model's name or description.

    Raises:
        ModelNotFound: nothing has this id or alias.
    """
    model_id = resolve(connection, ref)
    if changes:
        connection.execute(update(models).where(models.c.id == model_id).values(**changes))
    return get(connection, model_id)


def remove(connection: Connection, ref: str) -> None:
    """Deletes a model with its files; its job stays.

    Raises:
        ModelNotFound: nothing has this id or alias.
        ModelInUse: an alias names it.
    """
    found = get(connection, ref)
    hold_rows(connection, jobs.c.id, [found.job_id])
    hold_rows(connection, models.c.id, [found.id])
    model = get(connection, found.id)
    if model.aliases:
        raise ModelInUse(model.id, model.aliases)
    connection.execute(delete(models).where(models.c.id == model.id))
    stored.recount(connection, model.job_id)


def _models(connection: Connection, rows: Sequence[Row[Any]]) -> list[Model]:
    ids = [row.id for row in rows]
    names, files = _aliases(connection, ids), _files(connection, ids)
    return [
        Model(
            **{column.name: row._mapping[column.name] for column in models.c},
            aliases=names.get(row.id, []),
            files=files.get(row.id, {}),
        )
        for row in rows
    ]


def _aliases(connection: Connection, model_ids: Sequence[str]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    rows = connection.execute(
        select(aliases.c.name, aliases.c.model_id)
        .where(aliases.c.model_id.in_(model_ids))
        .order_by(aliases.c.name)
    )
    for row in rows:
        named.setdefault(row.model_id, []).append(row.name)
    return named


def _files(connection: Connection, model_ids: Sequence[str]) -> dict[str, dict[str, File]]:
    found: dict[str, dict[str, File]] = {}
    rows = connection.execute(
        select(
            model_files.c.model_id,
            model_files.c.kind,
            model_files.c.sha256,
            func.length(model_files.c.content).label("bytes"),
        ).where(model_files.c.model_id.in_(model_ids))
    )
    for row in rows:
        found.setdefault(row.model_id, {})[row.kind] = File(row.sha256, row.bytes)
    return found


def file(connection: Connection, model_id: str, kind: str) -> tuple[bytes, str]:
    """One of a model's files and its SHA-256, such as `weights` (safetensors) or `onnx`.

    Raises:
        FileDamaged: the bytes do not have the digest that was stored with them.
    """
    row = connection.execute(
        select(model_files.c.content, model_files.c.sha256).where(
            model_files.c.model_id == model_id, model_files.c.kind == kind
        )
    ).one()
    if sha256(row.content).hexdigest() != row.sha256:
        raise FileDamaged(model_id, kind)
    return bytes(row.content), row.sha256


def evaluation(connection: Connection, model: Model, kind: Literal["report", "answers"]) -> bytes:
    """Results on the test set: a model's `report` (JSON), or its predictions (`answers`).

    The predictions are in safetensors.

    Raises:
        NoReport: the model was published before reports were kept.
        FileDamaged: the bytes do not have the digest that was stored with them.
    """
    if kind not in model.files:
        raise NoReport(model.id, model.job_id)
    return file(connection, model.id, kind)[0]
