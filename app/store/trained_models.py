"""Trained models: published whole, found by id or alias, their files kept beside them."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, insert, select, update
from ulid import ULID

from app.store.database import now
from app.store.lifecycle import ModelNotFound
from app.store.tables import aliases, jobs, model_files, models

LATEST = "latest"
"""The alias that the service keeps on the newest model."""


@dataclass(frozen=True)
class TrainedModel:
    """What a finished run leaves: `files` maps `weights` and `onnx` to their bytes."""

    signature: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    weights_sha256: str
    files: dict[str, bytes]


@dataclass(frozen=True)
class Model:
    """A model as stored, without its files. `created_at` is microseconds since 1970 (UTC)."""

    id: str
    job_id: str
    name: str
    created_at: int
    spec: dict[str, Any]
    signature: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    weights_sha256: str
    aliases: list[str]


def publish(connection: Connection, job_id: str, model: TrainedModel) -> str:
    """Stores a model with its files and moves `latest` to it; returns its id."""
    model_id = f"model_{ULID()}"
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
    point_alias(connection, LATEST, model_id)
    return model_id


def point_alias(connection: Connection, name: str, model_id: str) -> None:
    """Makes the alias name this model."""
    values = {"model_id": model_id, "updated_at": now(connection)}
    moved = connection.execute(update(aliases).where(aliases.c.name == name).values(**values))
    if moved.rowcount == 0:
        connection.execute(insert(aliases).values(name=name, **values))


def resolve(connection: Connection, ref: str) -> str:
    """The id of the model that an id or an alias names.

    Raises:
        ModelNotFound: nothing has this id or alias.
    """
    by_alias = select(aliases.c.model_id).where(aliases.c.name == ref)
    by_id = select(models.c.id).where(models.c.id == ref)
    model_id = connection.execute(by_alias.union_all(by_id).limit(1)).scalar_one_or_none()
    if model_id is None:
        raise ModelNotFound(ref)
    return str(model_id)


def get(connection: Connection, ref: str) -> Model:
    """The model that an id or an alias names.

    Raises:
        ModelNotFound: nothing has this id or alias.
    """
    model_id = resolve(connection, ref)
    row = connection.execute(select(models).where(models.c.id == model_id)).one()
    return Model(**row._mapping, aliases=_aliases(connection, [model_id]).get(model_id, []))


def newest(connection: Connection, limit: int, after: str | None = None) -> list[Model]:
    """Models, newest first, from behind the id `after`."""
    query = select(models).order_by(models.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(models.c.id < after)
    rows = connection.execute(query).all()
    named = _aliases(connection, [row.id for row in rows])
    return [Model(**row._mapping, aliases=named.get(row.id, [])) for row in rows]


def _aliases(connection: Connection, model_ids: list[str]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    rows = connection.execute(
        select(aliases.c.name, aliases.c.model_id)
        .where(aliases.c.model_id.in_(model_ids))
        .order_by(aliases.c.name)
    )
    for row in rows:
        named.setdefault(row.model_id, []).append(row.name)
    return named


def file(connection: Connection, model_id: str, kind: str) -> tuple[bytes, str]:
    """One of a model's files and its SHA-256: `weights` (safetensors) or `onnx`."""
    row = connection.execute(
        select(model_files.c.content, model_files.c.sha256).where(
            model_files.c.model_id == model_id, model_files.c.kind == kind
        )
    ).one()
    return bytes(row.content), row.sha256
