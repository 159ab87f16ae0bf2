"""Aliases: promote a model, see what was promoted before, roll back."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.answers.models import Alias
from app.answers.pages import Page
from app.api import answering
from app.api.cursors import cursor, sort_key
from app.api.idempotency import TheOnce
from app.api.parameters import After, PageSize
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheCatalog, TheDatabase, TheKey
from app.docstrings import describe
from app.jobspec import Text
from app.store import aliases, trained_models
from app.store.database import Connection
from app.store.errors import (
    AliasKept,
    AliasNotFound,
    IdempotencyConflict,
    ModelNotFound,
    NothingToRollBack,
)
from app.store.keys import Scope

router = APIRouter(prefix="/models/aliases", tags=["models"], route_class=Route)

HISTORY = 100
"""Most promotions that an answer lists."""


def _free(name: str) -> str:
    if name.startswith("model_") or name in {"aliases", "compare"}:
        message = "must not look like the id of a model or a route under /models"
        raise PydanticCustomError("reserved_name", "{message}", {"message": message})
    return name


Name = Annotated[
    str,
    Path(
        description="Lower-case letters, digits, `.`, `_` and `-`; not the beginning of an id.",
        pattern=r"^([a-z0-9][a-z0-9._-]{0,63}|best-job_[0-9A-Z]{26})$",  # the last is autopilot's
        examples=["production"],
    ),
    AfterValidator(_free),
]


class Target(BaseModel):
    """Which model an alias is to name."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=describe)

    model: Annotated[str, Field(min_length=1, max_length=64), Text]
    """Id of a model, or another alias: the model that it names now."""


@router.get("", summary="List aliases")
@needs(Scope.READ)
def list_aliases(database: TheDatabase, limit: PageSize = 20, after: After = None) -> Page[Alias]:
    """Aliases, by name."""
    (behind,) = sort_key(after, str) or (None,)
    with database.read() as connection:
        found = aliases.listed(connection, limit + 1, behind)
        page = found[:limit]
        histories = aliases.histories(connection, [alias.name for alias in page], HISTORY)
    return Page(
        data=[answering.alias(alias, histories[alias.name]) for alias in page],
        next=cursor(page[-1].name) if len(found) > limit else None,
    )


@router.get("/{alias}", summary="Look at an alias", responses=documented(AliasNotFound))
@needs(Scope.READ)
def get_alias(alias: Name, database: TheDatabase) -> Alias:
    """What the alias names, and its history."""
    with database.read() as connection:
        return _get(connection, alias)


@router.put(
    "/{alias}",
    summary="Promote a model",
    responses=documented(413, 415, ModelNotFound, AliasKept),
)
@needs(Scope.WRITE)
def promote(
    alias: Name, target: Target, database: TheDatabase, catalog: TheCatalog, key: TheKey
) -> Alias:
    """Makes the alias name this model, from the next request on; `previous` is the way back.

    `production` is what `/predict` uses when it is set.
    """
    with database.write() as connection:
        model_id = trained_models.resolve(connection, target.model)
        aliases.promote(connection, alias, model_id, key)
        answer = _get(connection, alias)
    catalog.forget_names()
    return answer


@router.post(
    "/{alias}/rollback",
    summary="Roll a promotion back",
    responses=documented(AliasNotFound, AliasKept, NothingToRollBack, IdempotencyConflict),
)
@needs(Scope.WRITE)
def roll_back(
    alias: Name, database: TheDatabase, catalog: TheCatalog, key: TheKey, once: TheOnce
) -> Alias:
    """Promotes the model that the alias named before. A second rollback undoes the first."""

    def make() -> str:
        aliases.roll_back(connection, alias, key)
        return alias

    with database.write() as connection:
        once.make(connection, None, make)
        answer = _get(connection, alias)
    catalog.forget_names()
    return answer


@router.delete(
    "/{alias}",
    status_code=204,
    summary="Remove an alias",
    responses=documented(AliasNotFound, AliasKept),
)
@needs(Scope.ADMIN)
def remove(alias: Name, database: TheDatabase, catalog: TheCatalog) -> None:
    """Deletes the alias. The model stays, and so does the alias's history."""
    with database.write() as connection:
        aliases.remove(connection, alias)
    catalog.forget_names()


def _get(connection: Connection, name: str) -> Alias:
    (history,) = aliases.histories(connection, [name], HISTORY).values()
    return answering.alias(aliases.get(connection, name), history)
