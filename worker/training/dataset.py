"""A decoded dataset: array files on disk, mapped into memory when they are needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from app.jobspec import BUILT_IN_DATASETS

Array = npt.NDArray[Any]
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


class Description(msgspec.Struct, frozen=True):
    """What dataset.json says of the arrays beside it."""

    name: str
    input_shape: tuple[int, int, int]
    """Channels, rows, columns of an image."""
    classes: list[str]
    """Name of each label, from 0."""
    pixel_range: tuple[int, int]
    """Least and greatest pixel that an image may have."""
    mean: float
    """Mean of the training pixels, scaled to 0..1."""
    std: float
    """Standard deviation of the training pixels, scaled to 0..1."""
    sha256: str
    """Digest of the four arrays."""

    def normalized(self, how: Literal["standard", "unit", "none"]) -> "Description":
        """With the mean and deviation that give pixels as a spec wants the network to see them."""
        if how == "standard":
            return self
        # (pixel / highest - mean) / std is the pixel itself for the second
        std = 1.0 if how == "unit" else 1.0 / self.pixel_range[1]
        return msgspec.structs.replace(self, mean=0.0, std=std)


@dataclass(frozen=True)
class Dataset:
    """Images are uint8 of shape (N, C, H, W), labels uint8 of shape (N,)."""

    description: Description
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array


class NotDecoded(Exception):
    """A folder does not hold a whole decoded dataset."""


def load(folder: Path) -> Dataset:
    """Maps a decoded dataset; of the arrays only the labels are read.

    Raises:
        NotDecoded: the folder is missing, damaged, or holds arrays that do not fit together.
    """
    try:
        description = msgspec.json.decode((folder / "dataset.json").read_bytes(), type=Description)
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in ARRAYS}
    except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
        raise NotDecoded(f"{folder}: {error}") from error
    dataset = Dataset(description, **arrays)
    if not _fits_together(dataset):
        raise NotDecoded(f"{folder}: images, labels and dataset.json do not fit together")
    return dataset


def _fits_together(dataset: Dataset) -> bool:
    """Whether each image has one label, of a class that exists, and no image is missing."""
    description = dataset.description
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        if images.shape != (len(labels), *description.input_shape) or not len(labels):
            return False
        if labels.max() >= len(description.classes):
            return False
    facts = BUILT_IN_DATASETS.get(description.name)
    if facts is None or description.std <= 0:
        return False
    counts = len(dataset.train_labels), len(dataset.test_labels)
    return counts == (facts.train_images, facts.test_images)
