"""Trained models: list, look, describe, download, delete."""

from typing import Annotated, cast

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.answers.models import TrainedModel
from app.answers.pages import Page
from app.api import answering
from app.api.cursors import cursor, id_of, number, sort_key
from app.api.parameters import (
    BYTES,
    After,
    DatasetFilter,
    LabelFilter,
    ModelRef,
    PageSize,
    label_of,
)
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheCatalog, TheDatabase
from app.docstrings import describe
from app.jobspec import Text
from app.store import trained_models
from app.store.database import Database
from app.store.errors import ModelInUse, ModelNotFound
from app.store.keys import Scope
from app.store.trained_models import Order, Ranked

router = APIRouter(prefix="/models", tags=["models"], route_class=Route)

BY_ID: set[Order] = {"newest", "oldest"}
"""Orders by the id alone; the others are by a measure."""


class Description(BaseModel):
    """What an owner may say of a model; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=describe)

    name: Annotated[str, Field(min_length=1, max_length=200), Text] | None = None
    """A short name."""
    description: Annotated[str, Field(max_length=10_000), Text] | None = None
    """What it is for, what it must not be used for, what else is known of it."""


IfNoneMatch = Annotated[
    str, Header(description="The ETag of a copy: the answer is 304 if it is still the same.")
]


@router.get("", summary="List models")
@needs(Scope.READ)
def list_models(
    *,
    database: TheDatabase,
    limit: PageSize = 20,
    after: After = None,
    sort: Annotated[
        Order,
        Query(description="`newest`, `oldest`, or best first by a measure on the test images."),
    ] = "newest",
    job: Annotated[
        str | None, Query(description="Only the model of this job.", max_length=64), Text
    ] = None,
    dataset: DatasetFilter = None,
    min_accuracy: Annotated[
        float | None,
        Query(ge=0, le=1, allow_inf_nan=False, description="Least accuracy on the test images."),
    ] = None,
    labels: LabelFilter = [],  # noqa: B006 (FastAPI copies it)
) -> Page[TrainedModel]:
    """Trained models that match every filter."""
    with database.read() as connection:
        found = trained_models.listed(
            connection,
            limit + 1,
            _behind(after, sort),
            sort,
            job=job,
            dataset=dataset,
            min_accuracy=min_accuracy,
            labels=dict(label_of(text) for text in labels),
        )
    page = found[:limit]
    return Page(
        data=[answering.model(ranked.model) for ranked in page],
        next=_cursor(page[-1], sort) if len(found) > limit else None,
    )


def _cursor(last: Ranked, order: Order) -> str:
    key = (last.model.id,) if order in BY_ID else (last.rank, last.model.id)
    return cursor(*key)


def _behind(after: str | None, order: Order) -> tuple[float, str] | None:
    """The rank and the id that a cursor names."""
    if order not in BY_ID:
        return cast(tuple[float, str] | None, sort_key(after, number, id_of("model_")))
    key = sort_key(after, id_of("model_"))
    return None if key is None else (0.0, *key)


@router.get("/{ref}", summary="Look at a model", responses=documented(ModelNotFound))
@needs(Scope.READ)
def get_model(ref: ModelRef, database: TheDatabase) -> TrainedModel:
    """A model with its signature, results, specification and provenance."""
    with database.read() as connection:
        return answering.model(trained_models.get(connection, ref))


@router.patch(
    "/{ref}", summary="Name or describe a model", responses=documented(413, 415, ModelNotFound)
)
@needs(Scope.WRITE)
def describe_model(ref: ModelRef, wanted: Description, database: TheDatabase) -> TrainedModel:
    """Changes what people read of a model. What it answers never changes."""
    changes = wanted.model_dump(exclude_none=True)
    with database.write() as connection:
        return answering.model(trained_models.describe(connection, ref, changes))


@router.delete(
    "/{ref}",
    status_code=204,
    summary="Delete a model",
    responses=documented(ModelNotFound, ModelInUse),
)
@needs(Scope.ADMIN)
def delete_model(ref: ModelRef, database: TheDatabase, catalog: TheCatalog) -> None:
    """Deletes a model that no alias names, with its files. Its job stays."""
    with database.write() as connection:
        trained_models.remove(connection, ref)
    catalog.forget_names()


@router.get(
    "/{ref}/weights",
    summary="Download the weights",
    response_class=Response,
    responses={
        200: {"description": "A safetensors file"} | BYTES,
        304: {"description": "The client's copy is the same"},
        **documented(ModelNotFound),
    },
)
@needs(Scope.READ)
def weights(ref: ModelRef, database: TheDatabase, if_none_match: IfNoneMatch = "") -> Response:
    """The weights in safetensors."""
    return _download(database, ref, "weights", "safetensors", if_none_match)


@router.get(
    "/{ref}/onnx",
    summary="Download the graph",
    response_class=Response,
    responses={
        200: {"description": "An ONNX file"} | BYTES,
        304: {"description": "The client's copy is the same"},
        **documented(ModelNotFound),
    },
)
@needs(Scope.READ)
def onnx(ref: ModelRef, database: TheDatabase, if_none_match: IfNoneMatch = "") -> Response:
    """The graph in ONNX: `pixels` in the model's pixel range to `probabilities`.

    That of a table takes `numbers`, float32 with NaN where missing (a date as days since 1970), and
    `categories`, int64: each one's place in its column, then that of rare ones, then of missing
    ones; -1 is none of them.
    """
    return _download(database, ref, "onnx", "onnx", if_none_match)


def _download(database: Database, ref: str, kind: str, suffix: str, if_none_match: str) -> Response:
    with database.read() as connection:
        model_id = trained_models.resolve(connection, ref)
        content, digest = trained_models.file(connection, model_id, kind)
    etag = f'"{digest}"'
    if etag in if_none_match or if_none_match.strip() == "*":
        return Response(status_code=304, headers={"ETag": etag})
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "ETag": etag,
            "Content-Disposition": f'attachment; filename="{model_id}.{suffix}"',
        },
    )
