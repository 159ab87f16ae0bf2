"""A decoded dataset: array files on disk, mapped into memory when they are needed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from app.jobspec import DatasetFacts
from app.rows import columns
from app.rows.columns import Column

Array = npt.NDArray[Any]
Normalization = Literal["standard", "unit", "none"]
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
VALIDATION_ARRAYS = ("validation_images", "validation_labels")
"""Only where the dataset brings a validation part with it."""


class Description(msgspec.Struct, frozen=True):
    """What dataset.json says of the arrays beside it."""

    name: str
    input_shape: tuple[int, int, int]
    """Channels, rows, columns of an image."""
    classes: list[str]
    """Name of each label, from 0."""
    pixel_range: tuple[int, int]
    """Least and greatest pixel that an image may have."""
    mean: list[float]
    """Mean of the training pixels of each channel, scaled to 0..1."""
    std: list[float]
    """Standard deviation of the training pixels of each channel, scaled to 0..1; 1 for a constant
    channel."""
    sha256: str
    """Digest of the bytes of the arrays, in the order of ARRAYS and VALIDATION_ARRAYS."""
    test_of: str | None = None
    """`sha256` of the dataset whose test part this one has; None where it has one of its own."""
    base: str | None = None
    """Name of that dataset."""
    preparation: dict[str, Any] | None = None
    """How the pictures of a dataset of one's own were brought to one shape, as
    `app.images.preparation.Preparation.from_json` reads it; None for a built-in dataset."""

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of an example in the arrays."""
        return self.input_shape

    @property
    def dtype(self) -> npt.DTypeLike:
        """Type of the arrays' numbers."""
        return np.uint8

    def signature(self) -> dict[str, Any]:
        """What a model takes and gives, as its row keeps it."""
        signature: dict[str, Any] = {
            "input_shape": self.input_shape,
            "pixel_range": self.pixel_range,
            "classes": self.classes,
        }
        if self.preparation is not None:  # pictures of one's own
            signature["preparation"] = self.preparation
        if self.base is not None:  # image files are read as for a model of the base
            signature["base"] = self.base
        return signature

    def statistics(self) -> dict[str, Any]:
        """What the weights' file says of how the inputs were normalized."""
        return {"mean": self.mean, "std": self.std}

    def normalized(self, how: Normalization) -> "Description":
        """With the mean and deviation that give pixels as a spec wants the network to see them."""
        if how == "standard":
            return self
        # (pixel / highest - mean) / std is the pixel itself for the second
        channels = self.input_shape[0]
        std = 1.0 if how == "unit" else 1.0 / self.pixel_range[1]
        return msgspec.structs.replace(self, mean=[0.0] * channels, std=[std] * channels)


class TableDescription(msgspec.Struct, frozen=True):
    """What dataset.json says of the arrays of a table."""

    name: str
    target: str
    """The column of the classes."""
    columns: list[Column]
    """The columns that the network sees, in the order of the arrays."""
    classes: list[str]
    """Name of each label, from 0."""
    sha256: str
    """Digest of the bytes of the arrays, in the order of ARRAYS and VALIDATION_ARRAYS."""

    @property
    def input_shape(self) -> tuple[int]:
        """Shape of what the network sees of a row."""
        return (columns.width(self.columns),)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of a row in the arrays."""
        return (len(self.columns),)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Type of the arrays' numbers."""
        return np.float32

    def signature(self) -> dict[str, Any]:
        """What a model takes and gives, as its row keeps it."""
        return {
            "input_shape": self.input_shape,
            "target": self.target,
            "columns": [column.to_json() for column in self.columns],
            "classes": self.classes,
        }

    def statistics(self) -> dict[str, Any]:
        """Nothing more: the columns of the signature have them."""
        return {}

    def normalized(self, how: Normalization) -> "TableDescription":
        """With the mean and deviation that give numbers as a spec wants the network to see them."""
        return msgspec.structs.replace(self, columns=[_scaled(each, how) for each in self.columns])


def _scaled(column: Column, how: Normalization) -> Column:
    if how == "standard" or column.is_category:
        return column
    if how == "none":
        return replace(column, mean=0.0, std=1.0)
    return replace(column, mean=column.low, std=(column.high - column.low) or 1.0)


@dataclass(frozen=True)
class Dataset:
    """Images are uint8 of shape (N, C, H, W), rows of a table float32 (N, columns); labels are
    uint8 or uint16 of shape (N,).

    The validation arrays are there only if the dataset brings a validation part with it.
    """

    description: Description | TableDescription
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    validation_images: Array | None = None
    validation_labels: Array | None = None
    folder: Path | None = None
    """Where the arrays are."""

    def names(self, part: Literal["train", "test"]) -> list[str] | None:
        """What the owner calls the examples of a part; None for a built-in dataset."""
        file = None if self.folder is None else self.folder / f"{part}_names.json"
        if file is None or not file.exists():
            return None
        return msgspec.json.decode(file.read_bytes(), type=list[str])


class NotDecoded(Exception):
    """A folder does not hold a whole decoded dataset."""


def load(folder: Path, facts: DatasetFacts) -> Dataset:
    """Maps a decoded dataset for reading; of the arrays only the labels are read.

    Raises:
        NotDecoded: the folder is missing, damaged, or holds something else than `facts` say.
    """
    names = (*ARRAYS, *VALIDATION_ARRAYS) if facts.validation_images else ARRAYS
    try:
        described: type[Description | TableDescription]
        described = TableDescription if facts.kind == "table" else Description
        description = msgspec.json.decode((folder / "dataset.json").read_bytes(), type=described)
        # "r": a private mapping that could be written to ("c") would count as memory of the run
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
        raise NotDecoded(f"{folder}: {error}") from error
    dataset = Dataset(description, **arrays, folder=folder)
    if not _describes(description, facts) or not _is_whole(dataset, facts):
        raise NotDecoded(f"{folder}: images, labels and dataset.json do not fit together")
    return dataset


def _describes(description: Description | TableDescription, facts: DatasetFacts) -> bool:
    """Whether dataset.json and the facts speak of the same dataset."""
    if description.input_shape != facts.input_shape or len(description.classes) != facts.classes:
        return False
    if facts.id is not None and description.sha256 != facts.sha256:
        return False
    if isinstance(description, TableDescription):
        return all(column.std > 0 for column in description.columns)
    channels = facts.input_shape[0]
    if not len(description.mean) == len(description.std) == channels:
        return False
    return min(description.std) > 0


def _is_whole(dataset: Dataset, facts: DatasetFacts) -> bool:
    """Whether each example has one label, of a class that exists, and none is missing."""
    described = dataset.description
    for images, labels, count in (
        (dataset.train_images, dataset.train_labels, facts.train_images),
        (dataset.test_images, dataset.test_labels, facts.test_images),
        (dataset.validation_images, dataset.validation_labels, facts.validation_images),
    ):
        if images is None or labels is None:
            continue
        if images.dtype != described.dtype or images.shape != (count, *described.stored_shape):
            return False
        if labels.shape != (count,) or labels.max() >= facts.classes:
            return False
    return True
