"""A decoded dataset: array files on disk, mapped into memory when they are needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

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


def load(folder: Path) -> Dataset:
    """Maps a decoded dataset; nothing is read before it is used.

    Raises:
        FileNotFoundError: no dataset has been decoded into this folder.
    """
    description = msgspec.json.decode((folder / "dataset.json").read_bytes(), type=Description)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in ARRAYS}
    return Dataset(description, **arrays)
