"""What a model takes and gives, and the error for an input that it cannot take."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.images.preparation import Preparation

Pixels = NDArray[np.float32] | NDArray[np.uint8]
"""Pixels in the model's own range. Bytes stay bytes until their batch is made."""
Range = tuple[float, float]
"""The darkest and the brightest value of a pixel."""
FURTHEST = 1e12
"""Largest magnitude of an end of a range."""
NARROWEST = 1e-6
"""Least width of a range. Division by a much smaller one gives infinite pixels."""


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives: input (channels, height, width), pixel range, class names."""

    input_shape: tuple[int, int, int]
    pixel_range: Range
    classes: list[str]
    dataset: str = ""
    preparation: Preparation | None = None
    """How image files were prepared for a dataset of one's own; None for a built-in one."""

    @cached_property
    def width(self) -> int:
        """How many numbers the network sees of an image."""
        return prod(self.input_shape)

    def feed(self, pixels: Pixels) -> dict[str, NDArray[Any]]:
        """The graph's input for images (n, C, H, W)."""
        return as_pixels(pixels)

    @classmethod
    def from_json(cls, stored: dict[str, Any], dataset: str = "") -> Self:
        """The signature as a model's row keeps it, and the dataset that it was trained on."""
        channels, height, width = stored["input_shape"]
        low, high = stored["pixel_range"]
        kept = stored.get("preparation")
        preparation = Preparation.from_json(kept) if kept else None
        classes = list(stored["classes"])
        return cls((channels, height, width), (low, high), classes, dataset, preparation)


def as_pixels(pixels: Pixels) -> dict[str, NDArray[Any]]:
    """The input of a graph of pictures for images (n, C, H, W)."""
    return {"pixels": pixels.astype(np.float32, copy=False)}


def check_range(given: Range) -> Range:
    """The range itself, if pixels can be scaled from it.

    Raises:
        ValueError: an end is not a number or is too large, or the range has no width.
    """
    low, high = given
    if not -FURTHEST <= low < high <= FURTHEST or high - low < NARROWEST:
        raise ValueError(
            "pixel_range must run from a number to a larger one, such as 0,1: at least "
            f"{NARROWEST:g} wide, and within {-FURTHEST:g} and {FURTHEST:g}"
        )
    return given
