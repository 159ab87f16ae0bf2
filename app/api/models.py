"""Trained models: list, look, download."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from app.api.parameters import After, ModelRef, PageSize
from app.api.problems import documented
from app.api.schemas import Page, TrainedModel
from app.api.state import TheDatabase
from app.store import trained_models
from app.store.database import Database
from app.store.lifecycle import ModelNotFound

router = APIRouter(prefix="/models", tags=["models"])

BYTES = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}
IfNoneMatch = Annotated[
    str, Header(description="The ETag of a copy: the answer is 304 if it is still the same.")
]


@router.get("", summary="List models, newest first")
def list_models(
    database: TheDatabase, limit: PageSize = 20, after: After = None
) -> Page[TrainedModel]:
    """Trained models."""
    with database.read() as connection:
        found = trained_models.newest(connection, limit + 1, after)
    more = len(found) > limit
    data = [TrainedModel.of(model) for model in found[:limit]]
    return Page(data=data, next=data[-1].id if more else None)


@router.get("/{ref}", summary="Look at a model", responses=documented(ModelNotFound))
def get_model(ref: ModelRef, database: TheDatabase) -> TrainedModel:
    """A model with its signature, results, specification and provenance."""
    with database.read() as connection:
        return TrainedModel.of(trained_models.get(connection, ref))


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
def onnx(ref: ModelRef, database: TheDatabase, if_none_match: IfNoneMatch = "") -> Response:
    """The graph in ONNX: `pixels` in the model's pixel range to `probabilities`."""
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
