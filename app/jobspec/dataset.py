"""What a job learns from."""

from typing import Literal, NamedTuple

from pydantic import Field

from app.jobspec.part import Part


class DatasetFacts(NamedTuple):
    """What a spec needs to know of a built-in dataset without opening it."""

    input_shape: tuple[int, int, int]
    classes: int
    train_images: int
    test_images: int


BUILT_IN_DATASETS = {
    "digits": DatasetFacts((1, 8, 8), 10, 1437, 360),
    "mnist": DatasetFacts((1, 28, 28), 10, 60000, 10000),
    "fashion-mnist": DatasetFacts((1, 28, 28), 10, 60000, 10000),
    "kmnist": DatasetFacts((1, 28, 28), 10, 60000, 10000),
}


class Augment(Part):
    """Random distortions of the training images, drawn anew for each batch, seeded."""

    shift: float = Field(default=0.0, ge=0.0, le=16.0)
    """Largest move in each direction, in pixels."""
    rotation: float = Field(default=0.0, ge=0.0, le=180.0)
    """Largest turn either way, in degrees."""
    scale: float = Field(default=0.0, ge=0.0, le=0.5)
    """Largest share by which an image grows or shrinks."""
    elastic: float = Field(default=0.0, ge=0.0, le=8.0)
    """Strength of smooth random bending: standard deviation of the displacement, in pixels."""
    noise: float = Field(default=0.0, ge=0.0, le=1.0)
    """Standard deviation of Gaussian noise, as a share of the pixel range."""


class Dataset(Part):
    """What to learn from."""

    name: Literal["digits", "mnist", "fashion-mnist", "kmnist"] = "mnist"
    """A built-in dataset. `digits` needs no download."""
    validation_fraction: float = Field(default=0.1, ge=0.0, le=0.5)
    """Share of the training images held out, the same share of each class; never trained on."""
    limit: int | None = Field(default=None, ge=20, le=1_000_000)
    """Use only this many training images, for a quick try. All by default."""
    normalization: Literal["standard", "unit", "none"] = "standard"
    """What the network sees: pixels of mean 0 and deviation 1, from 0 to 1, or as they are."""
    augment: Augment | None = None
    """Random distortions of the training images; none by default."""

    @property
    def facts(self) -> DatasetFacts:
        """Input shape, number of classes and sizes of the dataset."""
        return BUILT_IN_DATASETS[self.name]

    @property
    def training_images(self) -> int:
        """How many images each epoch trains on, after the limit and the validation split."""
        available = min(self.facts.train_images, self.limit or self.facts.train_images)
        return available - self.validation_images

    @property
    def validation_images(self) -> int:
        """How many images are held out for validation."""
        available = min(self.facts.train_images, self.limit or self.facts.train_images)
        return round(available * self.validation_fraction)
