"""What a job learns from."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.jobspec.section import Section, Text, refusal


class DatasetFacts(Section):
    """What the service knows of a dataset: enough to check a job without opening the data."""

    kind: Literal["image", "table"] = "image"
    """What an example is: an image, or a row of a table. Rows count as images everywhere here."""
    input_shape: tuple[int, int, int] | tuple[int]
    """What the network sees of an example: channels, rows and columns of an image; of a row how
    many numbers, for each category of a column is one."""
    classes: int
    """How many classes the labels name."""
    train_images: int
    """Images or rows of the training part, before any limit or split."""
    test_images: int
    """Images or rows of the test part."""
    validation_images: int = 0
    """Those of a validation part that the dataset brings with it; mostly it has none."""
    id: str | None = None
    """Id of the version of a dataset of one's own; null for a built-in one."""
    version: int | None = None
    """Number of that version."""
    sha256: str | None = None
    """SHA-256 of its arrays."""
    duplicates: int = 0
    """Training images that another part has, too, the same pixels or nearly the same; or rows."""
    revealing: tuple[str, ...] = ()
    """Columns of a table that alone tell the class nearly without a mistake."""


def _built_in(side: int, train_images: int, test_images: int) -> DatasetFacts:
    """A dataset of grey square images in ten classes."""
    return DatasetFacts(
        input_shape=(1, side, side),
        classes=10,
        train_images=train_images,
        test_images=test_images,
    )


BUILT_IN_DATASETS = {
    "digits": _built_in(8, 1437, 360),
    "mnist": _built_in(28, 60000, 10000),
    "fashion-mnist": _built_in(28, 60000, 10000),
    "kmnist": _built_in(28, 60000, 10000),
    "breast-cancer": DatasetFacts(
        kind="table", input_shape=(30,), classes=2, train_images=455, test_images=114
    ),
}


def look_up(name: str, known: Mapping[str, DatasetFacts] | None = None) -> DatasetFacts:
    """The facts of a dataset: those that the caller knows, or those of the built-in one.

    Every spec gets its facts here, when it is submitted. A name that nobody knows is refused by
    itself; it gets the facts of the default dataset.
    """
    return (known or {}).get(name) or BUILT_IN_DATASETS.get(name) or BUILT_IN_DATASETS["mnist"]


def _is_known(name: str, info: ValidationInfo) -> str:
    """The name, of `name@version` without the version: the facts hold it.

    Raises:
        PydanticCustomError: the caller knows no such dataset that is ready.
    """
    if name not in BUILT_IN_DATASETS and name not in (info.context or {}):
        raise PydanticCustomError(
            "unknown_dataset",
            "no dataset {name} is ready; GET /datasets lists yours, and {built_in} are built in",
            {"name": repr(name), "built_in": ", ".join(BUILT_IN_DATASETS)},
        )
    return name.partition("@")[0]


class Augment(Section):
    """Random distortions of the training images, drawn anew for each batch, seeded."""

    shift: float = Field(default=0.0, ge=0.0, le=16.0)
    """Largest move in each direction, in pixels."""
    rotation: float = Field(default=0.0, ge=0.0, le=180.0)
    """Largest turn either way, in degrees."""
    scale: float = Field(default=0.0, ge=0.0, le=0.5)
    """Largest fraction of its size by which an image grows or shrinks."""
    elastic: float = Field(default=0.0, ge=0.0, le=8.0)
    """Strength of smooth random bending: standard deviation of the displacement, in pixels."""
    noise: float = Field(default=0.0, ge=0.0, le=1.0)
    """Standard deviation of Gaussian noise, as a fraction of the pixel range."""
    flip: bool = False
    """Whether every other image, by chance, is its mirror image, left and right exchanged."""
    crop: float | None = Field(default=None, gt=0.0, le=1.0)
    """Least part of an image's area that a random crop keeps; what it keeps is stretched to the
    whole, by up to 4/3 in one direction. 1 and null crop nothing."""
    color: float = Field(default=0.0, ge=0.0, le=1.0)
    """Largest change of brightness, of contrast and of saturation, as a fraction of each."""
    erase: float = Field(default=0.0, ge=0.0, le=1.0)
    """Probability with which a random rectangle of an image is replaced by noise."""


class Dataset(Section):
    """What to learn from."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=80, examples=["mnist", "my-cats", "my-cats@2"]),
        Text,
        AfterValidator(_is_known),
    ] = "mnist"
    """A built-in dataset, `digits` or `breast-cancer` (which need no download), `mnist`,
    `fashion-mnist` or `kmnist`, or the name of one of your own (POST /datasets): its newest
    version, or that of `name@version`.
    """
    validation_fraction: float = Field(default=0.1, ge=0.0, le=0.5)
    """Fraction of the training images held out for validation, the same of each class; never
    trained on. Without effect where the dataset brings a validation part, which is used whole."""
    limit: int | None = Field(default=None, ge=20, le=1_000_000)
    """Use only this many training images, for a quick try. All by default."""
    normalization: Literal["standard", "unit", "none"] = "standard"
    """What the network sees: pixels, or a table's numbers, of mean 0 and deviation 1, from 0 to 1,
    or as they are."""
    augment: Augment | None = None
    """Random distortions of the training images; none by default."""
    facts: DatasetFacts = Field(
        default_factory=lambda: BUILT_IN_DATASETS["mnist"], json_schema_extra={"readOnly": True}
    )
    """What the service knows of the dataset, stored with each job. Read-only: leave it out, or send
    it back as it was answered."""

    @field_validator("facts", mode="before")
    @classmethod
    def _looked_up(cls, sent: Any, info: ValidationInfo) -> DatasetFacts:
        facts = look_up(info.data.get("name", ""), info.context)
        stated = facts.model_dump(mode="json")
        left_out = sent is None or isinstance(sent, DatasetFacts)
        agrees = isinstance(sent, dict) and stated | sent == stated
        if "name" in info.data and not (left_out or agrees):
            raise refusal(
                "dataset.facts",
                "is read-only and is not what the service knows of this dataset; leave it out",
            )
        return facts

    @model_validator(mode="after")
    def _holds_out_an_image(self) -> Self:
        if self.validation_fraction and not self.validation_images:
            raise refusal(
                "dataset.validation_fraction",
                f"holds out none of {self._available} images; use a larger fraction, or 0",
            )
        return self

    @classmethod
    def stored(cls, fields: Mapping[str, Any]) -> Self:
        """A dataset as it was stored; those of earlier versions have no facts, and get them."""
        facts = look_up(fields.get("name", ""))
        return super().stored({"facts": facts, **fields})

    @property
    def training_images(self) -> int:
        """How many images each epoch trains on, after the limit and the validation split."""
        return self._available - (0 if self.brings_validation else self.validation_images)

    @property
    def validation_images(self) -> int:
        """How many images validate: the part that the dataset brings, or else those held out."""
        if self.brings_validation:
            return self.facts.validation_images
        return round(self._available * self.validation_fraction)

    @property
    def brings_validation(self) -> bool:
        """Whether the dataset has a validation part, so that none is held out of the training."""
        return self.facts.validation_images > 0

    @property
    def _available(self) -> int:
        """How many images of the training part are used, to train or to be held out."""
        return min(self.facts.train_images, self.limit or self.facts.train_images)
