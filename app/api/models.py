"""Trained models: list, look, describe, download, delete."""

from typing import Annotated, Any, Self, cast

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api import examples
from app.api.cursors import cursor, id_of, number, sort_key
from app.api.parameters import After, LabelFilter, ModelRef, PageSize, label_of
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.schemas import BYTES, Page, described, rfc3339
from app.api.state import TheDatabase
from app.api.table_schemas import TableColumn
from app.jobspec import Text
from app.jobspec.import_options import Fit
from app.store import trained_models
from app.store.database import Database
from app.store.errors import ModelInUse, ModelNotFound
from app.store.keys import Scope
from app.store.trained_models import Order, Ranked

router = APIRouter(prefix="/models", tags=["models"], route_class=Route)

BY_ID: set[Order] = {"newest", "oldest"}
"""Orders by the id alone; the others are by a measure."""
SIGNATURE = ("input_shape", "pixel_range", "target", "columns", "classes", "preparation")
"""What is shown of a model's signature; those of pictures and of tables have their own parts."""


class File(BaseModel):
    """A file of a model."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    sha256: str
    """SHA-256 of the file, in hexadecimal; its ETag."""
    bytes: int
    """Size in bytes."""


class Preparation(BaseModel):
    """How pictures of any size become an input."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    fit: Fit
    """`crop` cuts off what is beyond the middle, `pad` adds ground, `stretch` stretches."""
    ground: Annotated[list[int], Field(min_length=3, max_length=3)]
    """Red, green and blue of the background, of transparent pixels and around padded pictures."""


class TrainedModel(BaseModel):
    """A trained model."""

    model_config = described(examples.MODEL)

    id: str
    """`model_` and 26 characters; ids sort by the time of publication."""
    job: str
    """Id of the job that made it."""
    name: str
    """Free text; that of its job until it is changed."""
    description: str
    """Free text of its owner."""
    aliases: list[str]
    """Names that mean this model now; `latest` is kept on the newest."""
    created_at: str
    """When it was published (RFC 3339, UTC)."""
    input_shape: list[int]
    """Channels, height and width of an input, in pixels; of a table, the numbers that the network
    sees of a row."""
    pixel_range: list[float] | None = None
    """Darkest and brightest value of a pixel in arrays sent to /predict; null for a table."""
    target: str | None = None
    """The column that a model of a table predicts; null for pictures."""
    columns: list[TableColumn] | None = None
    """The columns that a model of a table looks at; null for pictures."""
    classes: list[str]
    """Name of each class, in the order of the probabilities."""
    preparation: Preparation | None = None
    """How image files are prepared, as at the import of its dataset; null for built-in datasets."""
    metrics: dict[str, float | None]
    """Results on the test images. Losses are in nats, accuracies run from 0 to 1."""
    confusion_matrix: list[list[int]]
    """Test images by true class (rows) and predicted class (columns)."""
    weights_sha256: str
    """SHA-256 of the weights, in hexadecimal: equal weights have equal digests."""
    files: dict[str, File]
    """What is stored of it, by kind: `weights` and `onnx` can be downloaded under these names."""
    spec: dict[str, Any]
    """The specification that it was trained with."""
    provenance: dict[str, Any]
    """What the weights depend on beside the specification: dataset digest, versions, threads."""

    @classmethod
    def of(cls, model: trained_models.Model) -> Self:
        """The model as it is stored."""
        scalars = {
            name: value
            for name, value in model.metrics.items()
            if isinstance(value, int | float | None)
        }
        return cls(
            id=model.id,
            job=model.job_id,
            name=model.name,
            description=model.description,
            aliases=model.aliases,
            created_at=rfc3339(model.created_at),
            **{name: model.signature.get(name) for name in SIGNATURE},
            metrics=scalars,
            confusion_matrix=model.metrics.get("confusion_matrix", []),
            weights_sha256=model.weights_sha256,
            files={kind: File.model_validate(file) for kind, file in model.files.items()},
            spec=model.spec,
            provenance=model.provenance,
        )


class Description(BaseModel):
    """What an owner may say of a model; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

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
    dataset: Annotated[
        str | None, Query(description="Only models trained on this dataset.", max_length=64), Text
    ] = None,
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
        data=[TrainedModel.of(ranked.model) for ranked in page],
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
        return TrainedModel.of(trained_models.get(connection, ref))


@router.patch(
    "/{ref}", summary="Name or describe a model", responses=documented(413, 415, ModelNotFound)
)
@needs(Scope.WRITE)
def describe_model(ref: ModelRef, wanted: Description, database: TheDatabase) -> TrainedModel:
    """Changes what people read of a model. What it answers never changes."""
    changes = wanted.model_dump(exclude_none=True)
    with database.write() as connection:
        return TrainedModel.of(trained_models.describe(connection, ref, changes))


@router.delete(
    "/{ref}",
    status_code=204,
    summary="Delete a model",
    responses=documented(ModelNotFound, ModelInUse),
)
@needs(Scope.ADMIN)
def delete_model(ref: ModelRef, database: TheDatabase) -> None:
    """Deletes a model that no alias names, with its files. Its job stays."""
    with database.write() as connection:
        trained_models.remove(connection, ref)


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
