"""Names for models that move: `latest` by itself, the others by promotion; every move is kept."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from app.store.database import now
from app.store.errors import AliasKept, AliasNotFound, NothingToRollBack
from app.store.tables import aliases, models, promotions

LATEST = "latest"
"""Kept by the service on the newest model."""
PRODUCTION = "production"
"""What predictions use when it is set, and the request names no model."""


@dataclass(frozen=True)
class Promotion:
    """From `at` on, in microseconds since 1970 (UTC), the alias named this model."""

    model_id: str
    at: int
    key_id: str | None
    """The API key that promoted it."""


@dataclass(frozen=True)
class Alias:
    """What a name means now, and what it meant before."""

    name: str
    model_id: str
    updated_at: int


def named(connection: Connection) -> list[Alias]:
    """Every alias, by name."""
    rows = connection.execute(select(aliases).order_by(aliases.c.name))
    return [Alias(**row._mapping) for row in rows]


def get(connection: Connection, name: str) -> Alias:
    """The alias of this name.

    Raises:
        AliasNotFound: there is none.
    """
    row = connection.execute(select(aliases).where(aliases.c.name == name)).one_or_none()
    if row is None:
        raise AliasNotFound(name)
    return Alias(**row._mapping)


def history(connection: Connection, name: str, limit: int) -> list[Promotion]:
    """What the alias has named, newest first; outlives the alias itself."""
    rows = connection.execute(
        select(promotions.c.model_id, promotions.c.at, promotions.c.key_id)
        .where(promotions.c.alias == name)
        .order_by(promotions.c.id.desc())
        .limit(limit)
    )
    return [Promotion(**row._mapping) for row in rows]


def promote(
    connection: Connection, name: str, model_id: str, key_id: str | None = None
) -> str | None:
    """Makes the alias name a model; returns the id of the one that it named before.

    To repeat it changes nothing.

    Raises:
        AliasKept: the service keeps this alias itself.
    """
    if name == LATEST:
        raise AliasKept(name)
    current = select(aliases.c.model_id).where(aliases.c.name == name)
    previous: str | None = connection.execute(current).scalar_one_or_none()
    if previous == model_id:
        return previous
    point(connection, name, model_id)
    count = select(func.coalesce(func.max(promotions.c.id), 0)).where(promotions.c.alias == name)
    number = connection.execute(count).scalar_one() + 1
    connection.execute(
        insert(promotions).values(
            alias=name, id=number, model_id=model_id, at=now(connection), key_id=key_id
        )
    )
    return previous


def roll_back(connection: Connection, name: str, key_id: str | None = None) -> str:
    """Promotes the model that the alias named before; again, and it is back.

    Returns the id of the model that it named until now.

    Raises:
        AliasNotFound: there is no such alias.
        AliasKept: the service keeps this alias itself.
        NothingToRollBack: no other model that it named still exists.
    """
    current = get(connection, name).model_id
    if name == LATEST:
        raise AliasKept(name)
    before = connection.execute(
        select(promotions.c.model_id)
        .join(models, models.c.id == promotions.c.model_id)
        .where(promotions.c.alias == name, promotions.c.model_id != current)
        .order_by(promotions.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if before is None:
        raise NothingToRollBack(name)
    promote(connection, name, before, key_id)
    return current


def remove(connection: Connection, name: str) -> None:
    """Takes the name away; its history stays.

    Raises:
        AliasNotFound: there is no such alias.
        AliasKept: the service keeps this alias itself.
    """
    get(connection, name)
    if name == LATEST:
        raise AliasKept(name)
    connection.execute(delete(aliases).where(aliases.c.name == name))


def point(connection: Connection, name: str, model_id: str) -> None:
    """Makes the alias name this model and keeps no record of it."""
    values = {"model_id": model_id, "updated_at": now(connection)}
    moved = connection.execute(update(aliases).where(aliases.c.name == name).values(**values))
    if moved.rowcount == 0:
        connection.execute(insert(aliases).values(name=name, **values))
