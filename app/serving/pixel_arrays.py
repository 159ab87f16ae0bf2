"""Pixels that come as numbers or bytes: brought to the model's shape and range."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.images import InvalidInput
from app.serving.input_warnings import BLANK_PIXELS, UNIT_RANGE, InputWarning
from app.serving.signature import Pixels, Range, Signature

WIDE = 10.0
"""Brightest pixel of a model from which pixels of at most 1 look like fractions of another range.

Digits run to 16, MNIST to 255; an image of theirs whose brightest pixel is 1 is black to the eye.
"""


def from_numbers(numbers: list[Any], signature: Signature, given: Range | None = None) -> Pixels:
    """Pixels (C, H, W) from nested lists: [C][H][W], [H][W] of one channel, [H][W][C] of several,
    or all in a row.

    Raises:
        InvalidInput: ragged, of another shape, or outside of the range `given`, which is the
            model's own if it is None.
    """
    shape = signature.input_shape
    try:
        array = np.array(numbers, dtype=np.float64)
    except ValueError as error:
        message = f"its rows differ in length; expected {_expected(shape)}"
        raise InvalidInput(message) from error
    if array.shape not in shapes(shape):
        message = f"has shape {list(array.shape)}; expected {_expected(shape)}"
        raise InvalidInput(message)
    return in_range(arranged(array[None], shape)[0], signature, given)


def shapes(shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Shapes that one image of a model may have; none of them means two things."""
    channels, height, width = shape
    other = (height, width) if channels == 1 else (height, width, channels)
    return list(dict.fromkeys((shape, other, (prod(shape),))))


def arranged(images: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Images (n, ...), each of one of the `shapes`, as (n, C, H, W)."""
    channels, height, width = shape
    if images.shape[1:] == (height, width, channels) != shape:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return images.reshape(-1, *shape)


def from_bytes(content: bytes, signature: Signature, given: Range | None = None) -> Pixels:
    """Pixels (n, C, H, W) of n images from raw bytes, one a pixel, image after image.

    Raises:
        InvalidInput: not a whole number of images, or a pixel is outside of the range.
    """
    if not content or len(content) % signature.width:
        message = f"has {len(content)} bytes; expected {signature.width} for each image"
        raise InvalidInput(message)
    images = np.frombuffer(content, np.uint8).reshape(-1, *signature.input_shape)
    return in_range(images, signature, given)


def in_range(array: NDArray[Any], signature: Signature, given: Range | None = None) -> Pixels:
    """The same pixels in the model's own range; `given` is the range in which they are.

    Raises:
        InvalidInput: a pixel is outside of it, or not a number.
    """
    low, high = given or signature.pixel_range
    is_inside = array.dtype == np.uint8 and low <= 0 and high >= 255
    if not is_inside and not (low <= array.min() and array.max() <= high):
        worst = array.min() if not low <= array.min() else array.max()
        raise InvalidInput(
            f"has a pixel of {worst:g}; pixels run from {low:g} to {high:g} (see pixel_range)"
        )
    if given is None or given == signature.pixel_range:
        return array if array.dtype == np.uint8 else array.astype(np.float32)
    first, last = signature.pixel_range
    return ((array - low) * ((last - first) / (high - low)) + first).astype(np.float32)


def find_warnings(
    pixels: Pixels, signature: Signature, given: Range | None = None
) -> dict[int, list[InputWarning]]:
    """Warnings about pixels (n, C, H, W) that `in_range` has returned, by the input's index."""
    if len(pixels) == 1 and pixels.dtype == np.uint8 and _is_usual(pixels.tobytes()):
        return {}
    rows = pixels.reshape(len(pixels), -1)
    lowest, highest = rows.min(axis=1), rows.max(axis=1)
    is_blank = lowest == highest
    suspects = is_blank
    if given is None and signature.pixel_range[1] >= WIDE:
        suspects = is_blank | (highest <= 1)
    return {
        index: [BLANK_PIXELS if is_blank[index] else UNIT_RANGE]
        for index in suspects.nonzero()[0].tolist()
    }


def _is_usual(image: bytes) -> bool:
    """Whether an image has pixels above 1, and two that differ: sooner told than by NumPy."""
    return bool(image.lstrip(b"\0\1")) and image[1:] != image[:-1]


def _expected(shape: tuple[int, int, int]) -> str:
    nested = [list(each) for each in shapes(shape) if len(each) > 1]
    return f"{' or '.join(map(str, nested))}, or {prod(shape)} numbers in a row"
