"""Aliases: names that move from model to model, `latest` by itself, others by promotion."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, ScalarSelect, delete, func, insert, select

from app.store import dialects
from app.store.database import now
from app.store.errors import AliasKept, AliasNotFound, ModelNotFound, NothingToRollBack
from app.store.locks import hold_rows
from app.store.tables import aliases, models, promotions

LATEST = "latest"
"""Kept by the service on the newest model."""
PRODUCTION = "production"
"""Answers predictions that name no model, if it is set."""


@dataclass(frozen=True)
class Promotion:
    """A move of an alias to a model, at a time in microseconds since 1970 (UTC)."""

    model_id: str
    at: int
    key_id: str | None
    """The API key that promoted it."""


@dataclass(frozen=True)
class Alias:
    """A name, the model that it names, and since when (microseconds since 1970, UTC)."""

    name: str
    model_id: str
    updated_at: int
    previous: str | None
    """Where a rollback leads: the last other model that it named and that still exists."""


def _previous() -> ScalarSelect[str]:
    """For each alias of a query, the model to which a rollback leads."""
    return (
        select(promotions.c.model_id)
        .join(models, models.c.id == promotions.c.model_id)
        .where(promotions.c.alias == aliases.c.name, promotions.c.model_id != aliases.c.model_id)
        .order_by(promotions.c.id.desc())
        .limit(1)
        .correlate(aliases)
        .scalar_subquery()
    )


_SELECT = select(
    aliases.c.name, aliases.c.model_id, aliases.c.updated_at, _previous().label("previous")
)


def listed(connection: Connection, limit: int, after: str | None = None) -> list[Alias]:
    """Aliases by name, from behind the name `after`."""
    query = _SELECT.order_by(aliases.c.name).limit(limit)
    if after is not None:
        query = query.where(aliases.c.name > after)
    return [Alias(**row._mapping) for row in connection.execute(query)]


def get(connection: Connection, name: str) -> Alias:
    """The alias of this name.

    Raises:
        AliasNotFound: there is none.
    """
    row = connection.execute(_SELECT.where(aliases.c.name == name)).one_or_none()
    if row is None:
        raise AliasNotFound(name)
    return Alias(**row._mapping)


def histories(
    connection: Connection, names: Sequence[str], limit: int
) -> dict[str, list[Promotion]]:
    """The latest promotions of each alias, newest first. They outlive the alias."""
    of_alias = promotions.alias("of_alias")
    last = select(func.max(of_alias.c.id)).where(of_alias.c.alias == promotions.c.alias)
    rows = connection.execute(
        select(promotions.c.alias, promotions.c.model_id, promotions.c.at, promotions.c.key_id)
        .where(promotions.c.alias.in_(names), promotions.c.id > last.scalar_subquery() - limit)
        .order_by(promotions.c.id.desc())
    )
    found: dict[str, list[Promotion]] = {name: [] for name in names}
    for row in rows:
        found[row.alias].append(Promotion(row.model_id, row.at, row.key_id))
    return found


def promote(
    connection: Connection, name: str, model_id: str, key_id: str | None = None
) -> str | None:
    """Makes the alias name a model; returns the id of the one that it named before.

    Promoting the same model again changes nothing.

    Raises:
        AliasKept: the service keeps this alias itself.
        ModelNotFound: the model was deleted.
    """
    if name == LATEST:
        raise AliasKept(name)
    previous = _made_or_held(connection, name, model_id)
    if previous == model_id:
        return previous
    if previous is not None:
        point(connection, name, model_id)
    count = select(func.coalesce(func.max(promotions.c.id), 0)).where(promotions.c.alias == name)
    number = connection.execute(count).scalar_one() + 1
    connection.execute(
        insert(promotions).values(
            alias=name, id=number, model_id=model_id, at=now(connection), key_id=key_id
        )
    )
    return previous


def _made_or_held(connection: Connection, name: str, model_id: str) -> str | None:
    """Makes the alias: None; or holds the one that is there: the model that it names."""
    _hold_model(connection, model_id)
    values = {"name": name, "model_id": model_id, "updated_at": now(connection)}
    new = dialects.of(connection).insert(aliases).values(values).on_conflict_do_nothing()
    made = new.returning(aliases.c.name)
    held = select(aliases.c.model_id).where(aliases.c.name == name).with_for_update()
    while connection.execute(made).one_or_none() is None:
        named: str | None = connection.execute(held).scalar_one_or_none()
        if named is not None:  # else it was deleted meanwhile
            return named
    return None


def _hold_model(connection: Connection, model_id: str) -> None:
    if not hold_rows(connection, models.c.id, [model_id], shared=True):
        raise ModelNotFound(model_id)


def roll_back(connection: Connection, name: str, key_id: str | None = None) -> str:
    """Promotes the model that the alias named before. A second rollback undoes the first.

    Returns the id of the model that it named until now.

    Raises:
        AliasNotFound: there is no such alias.
        AliasKept: the service keeps this alias itself.
        NothingToRollBack: no other model that it named still exists.
    """
    hold_rows(connection, aliases.c.name, [name])
    alias = get(connection, name)
    if name == LATEST:
        raise AliasKept(name)
    if alias.previous is None:
        raise NothingToRollBack(name)
    promote(connection, name, alias.previous, key_id)
    return alias.model_id


def remove(connection: Connection, name: str) -> None:
    """Deletes the alias. Its promotions stay and are there when it is made again.

    Raises:
        AliasNotFound: there is no such alias.
        AliasKept: the service keeps this alias itself.
    """
    hold_rows(connection, aliases.c.name, [name])
    get(connection, name)
    if name == LATEST:
        raise AliasKept(name)
    connection.execute(delete(aliases).where(aliases.c.name == name))


def point(connection: Connection, name: str, model_id: str, chain: str | None = None) -> None:
    """Makes the alias name this model without recording a promotion.

    `chain` is the id of a chain's first job where autopilot keeps the alias on its best model.
    Such an alias keeps the model no longer than the chain is kept.

    Raises:
        ModelNotFound: the model was deleted.
    """
    _hold_model(connection, model_id)
    values = {"model_id": model_id, "updated_at": now(connection), "chain": chain}
    new = dialects.of(connection).insert(aliases).values(name=name, **values)
    connection.execute(new.on_conflict_do_update(index_elements=[aliases.c.name], set_=values))
