"""What the API answers about trained models and their aliases."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.answers.described import DOCSTRINGS, described
from app.codes import Fit
from app.docstrings import describe
from app.rows.columns import Kind


class File(BaseModel):
    """A file of a model."""

    model_config = ConfigDict(json_schema_extra=describe, from_attributes=True)

    sha256: str
    """SHA-256 of the file, in hexadecimal; its ETag."""
    bytes: int
    """Size in bytes."""


class Preparation(BaseModel):
    """How pictures of any size become an input."""

    model_config = DOCSTRINGS

    fit: Fit
    """`crop` cuts off what is beyond the middle, `pad` adds ground, `stretch` stretches."""
    ground: Annotated[list[int], Field(min_length=3, max_length=3)]
    """Red, green and blue of the background, of transparent pixels and around padded pictures."""


class TableColumn(BaseModel):
    """A column that a model of a table looks at, with the statistics of its training rows."""

    model_config = DOCSTRINGS

    name: str
    """Its name, as rows sent to /predict have it."""
    kind: Kind
    """`number`, `date` (ISO 8601; its statistics are days since 1970), or `category`."""
    mean: float
    """Mean of a number's or a date's values."""
    std: float
    """Their standard deviation; 1 where they are all the same."""
    low: float
    """The least of them."""
    high: float
    """The greatest of them."""
    has_missing: bool
    """Whether training rows lacked the value; if none did, a missing one is warned of."""
    categories: list[str]
    """The values of a category that were trained on; others are warned of."""
    has_rare: bool
    """Whether training rows had rarer categories, which count as one."""


class TrainedModel(BaseModel):
    """A trained model."""

    model_config = described("examples.MODEL")

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
    """Results on the test images; where early stopping has put weights back, also those of their
    epoch. Losses are in nats, accuracies run from 0 to 1."""
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


class Promotion(BaseModel):
    """A model that an alias named from a time on."""

    model_config = DOCSTRINGS

    model: str
    """Id of the model; it may have been deleted since."""
    at: str
    """When it was promoted (RFC 3339, UTC)."""
    by: str | None
    """Id of the API key that promoted it; null where none was asked for."""


class Alias(BaseModel):
    """A name for a model, and what it meant before."""

    model_config = described("examples.ALIAS")

    name: str
    """The alias."""
    model: str
    """Id of the model that it names."""
    previous: str | None
    """Id of the model to which a rollback leads: the last other one that still exists."""
    updated_at: str
    """When it was moved last (RFC 3339, UTC)."""
    history: list[Promotion]
    """The latest promotions, newest first. That of `latest` is the list of models."""
