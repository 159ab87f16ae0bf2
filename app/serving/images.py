"""From what a client sends to a model's input: pixel arrays, or PNG and JPEG files."""

import base64
import binascii
import io
import re
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

FORMATS = ("PNG", "JPEG")
"""Decoders that a client can reach."""
MAX_SIDE = 4096
"""Largest width and height of an image file, in pixels, known before it is decoded."""

Pixels = NDArray[np.float32]
_DATA_URL = re.compile(r"data:image/(png|jpeg);base64,", re.IGNORECASE)


class InvalidInput(Exception):
    """An input cannot be made into pixels for the model; `index` says which of several."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.index = index


@dataclass(frozen=True)
class Signature:
    """What a model takes and says: input (channels, height, width), pixel range, class names."""

    input_shape: tuple[int, int, int]
    pixel_range: tuple[float, float]
    classes: list[str]

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The signature as a model's row keeps it."""
        channels, height, width = stored["input_shape"]
        low, high = stored["pixel_range"]
        return cls((channels, height, width), (low, high), list(stored["classes"]))


def from_numbers(numbers: list[Any], signature: Signature) -> Pixels:
    """Pixels from nested lists of floats: [C][H][W], [H][W] of one channel, or all in a row.

    Raises:
        InvalidInput: ragged, of another shape, or outside of the model's pixel range.
    """
    shape = signature.input_shape
    try:
        array = np.array(numbers, dtype=np.float64)
    except ValueError as error:
        message = f"its rows differ in length; expected {_expected(shape)}"
        raise InvalidInput(message) from error
    shapes = {shape, (prod(shape),)} | ({shape[1:]} if shape[0] == 1 else set())
    if array.shape not in shapes:
        message = f"has shape {list(array.shape)}; expected {_expected(shape)}"
        raise InvalidInput(message)
    low, high = signature.pixel_range
    if not (low <= array.min() and array.max() <= high):
        worst = array.min() if array.min() < low else array.max()
        raise InvalidInput(f"has a pixel of {worst:g}; pixels run from {low:g} to {high:g}")
    return array.reshape(shape).astype(np.float32)


def from_base64(text: str, signature: Signature) -> Pixels:
    """Pixels from a PNG or JPEG in base64, with or without `data:image/png;base64,` before it.

    Raises:
        InvalidInput: not base64, or not an image that can be used.
    """
    formats: tuple[str, ...] = FORMATS
    if declared := _DATA_URL.match(text):
        formats = (declared[1].upper(),)
        text = text[declared.end() :]
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("a text must be a PNG or JPEG image in base64") from error
    return from_file(content, signature, formats)


def from_file(content: bytes, signature: Signature, formats: tuple[str, ...] = FORMATS) -> Pixels:
    """Pixels from the bytes of an image: made grey, scaled to the model's size and pixel range.

    Raises:
        InvalidInput: empty, of another format, too large, corrupt or cut off.
    """
    channels, height, width = signature.input_shape
    image = _decode(content, formats)
    deep = image.mode.startswith("I")  # a PNG's greys may have 16 bits
    image = image.convert("F" if deep else "L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    low, high = signature.pixel_range
    grey = np.asarray(image, dtype=np.float32).reshape(height, width, -1).transpose(2, 0, 1)
    if grey.shape[0] != channels:
        raise InvalidInput(f"the model takes images of {channels} channels; send pixel arrays")
    return low + grey / np.float32(65535 if deep else 255) * np.float32(high - low)


def _decode(content: bytes, formats: tuple[str, ...]) -> Image.Image:
    kinds = " or ".join(formats)
    if not content:
        raise InvalidInput(f"is empty; expected a {kinds} image")
    try:
        image = Image.open(io.BytesIO(content), formats=formats)  # reads the header only
    except UnidentifiedImageError as error:
        raise InvalidInput(f"is not a {kinds} image") from error
    except Exception as error:
        raise InvalidInput(f"is a damaged {kinds} image") from error
    if max(image.size) > MAX_SIDE:
        raise InvalidInput(
            f"has {image.width} x {image.height} pixels; at most {MAX_SIDE} x {MAX_SIDE} are taken"
        )
    try:
        image.load()
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error...
        raise InvalidInput(f"is a damaged or cut off {image.format} image") from error
    return image


def _expected(shape: tuple[int, int, int]) -> str:
    nested = [list(shape)] + ([list(shape[1:])] if shape[0] == 1 else [])
    return f"{' or '.join(map(str, nested))}, or {prod(shape)} numbers in a row"
