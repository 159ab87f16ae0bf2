"""From what a client sends to a model's input: pixel arrays, or PNG and JPEG files."""

import base64
import binascii
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from app.serving.preprocessing import has_light_ground, like_mnist

FORMATS = ("PNG", "JPEG")
"""Decoders that a client can reach."""
MAX_SIDE = 4096
"""Largest width and height of an image file, in pixels, known before it is decoded."""
MAX_PIXELS = MAX_SIDE**2
"""Most pixels of all image files of a request together."""

Pixels = NDArray[np.float32] | NDArray[np.uint8]
"""In the model's own range. Bytes stay bytes until their batch is made."""
Range = tuple[float, float]
"""The darkest and the brightest value of a pixel."""
Preprocess = Literal["auto", "mnist", "none"]
"""`mnist` brings an image file to the model's input the way MNIST was made; `none` only makes it
grey and scales it; `auto` is `mnist` where the model's training images were made like that and
the file is not one of that kind already."""
DRAFT = 1600
"""Side, in pixels, above which a JPEG photo is decoded at half or a quarter of its size."""
FILL = {"mnist": 20 / 28, "digits": 1.0}
"""Datasets of centred bright strokes on a black ground, and which part of a side a stroke fills."""

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
    pixel_range: Range
    classes: list[str]
    dataset: str = ""

    @classmethod
    def from_json(cls, stored: dict[str, Any], dataset: str = "") -> Self:
        """The signature as a model's row keeps it, and the dataset that it was trained on."""
        channels, height, width = stored["input_shape"]
        low, high = stored["pixel_range"]
        return cls((channels, height, width), (low, high), list(stored["classes"]), dataset)


def from_numbers(numbers: list[Any], signature: Signature, given: Range | None = None) -> Pixels:
    """Pixels (C, H, W) from nested lists: [C][H][W], [H][W] of one channel, or all in a row.

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
    shapes = {shape, (prod(shape),)} | ({shape[1:]} if shape[0] == 1 else set())
    if array.shape not in shapes:
        message = f"has shape {list(array.shape)}; expected {_expected(shape)}"
        raise InvalidInput(message)
    return in_range(array.reshape(shape), signature, given)


def from_bytes(content: bytes, signature: Signature, given: Range | None = None) -> Pixels:
    """Pixels (n, C, H, W) of n images from raw bytes, one a pixel, image after image.

    Raises:
        InvalidInput: not a whole number of images, or a pixel is outside of the range.
    """
    shape = signature.input_shape
    if not content or len(content) % prod(shape):
        message = f"has {len(content)} bytes; expected {prod(shape)} for each image"
        raise InvalidInput(message)
    return in_range(np.frombuffer(content, np.uint8).reshape(-1, *shape), signature, given)


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


def open_base64(text: str) -> Image.Image:
    """A PNG or JPEG in base64, with or without `data:image/png;base64,` before it, as open_file.

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
    return open_file(content, formats)


def open_file(content: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """An image of which only the header is read.

    Raises:
        InvalidInput: empty, of another format, or too large.
    """
    kinds = " or ".join(formats)
    if not content:
        raise InvalidInput(f"is empty; expected a {kinds} image")
    try:
        image = Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError as error:
        raise InvalidInput(f"is not a {kinds} image") from error
    except Exception as error:
        raise InvalidInput(f"is a damaged {kinds} image") from error
    if max(image.size) > MAX_SIDE:
        raise InvalidInput(
            f"has {image.width} x {image.height} pixels; at most {MAX_SIDE} x {MAX_SIDE} are taken"
        )
    return image


def check_sizes(images: Sequence[Image.Image]) -> None:
    """Refuses images that are too many pixels together, before any is decoded.

    Raises:
        InvalidInput: they are.
    """
    pixels = sum(image.width * image.height for image in images)
    if pixels > MAX_PIXELS:
        raise InvalidInput(
            f"the images have {pixels} pixels together; at most {MAX_PIXELS} are taken"
        )


def from_image(image: Image.Image, signature: Signature, preprocess: Preprocess = "auto") -> Pixels:
    """Pixels (C, H, W) of an open image in the model's size and range.

    Raises:
        InvalidInput: corrupt or cut off.
    """
    channels, height, width = signature.input_shape
    low, high = signature.pixel_range
    to_be_like_mnist = channels == 1 and _is_to_be_like_mnist(image, signature, preprocess)
    if to_be_like_mnist:
        image.draft("RGB", (DRAFT, DRAFT))
    _load(image)
    if to_be_like_mnist:
        fill = FILL.get(signature.dataset, FILL["mnist"])
        grey: NDArray[Any] = like_mnist(image, height, width, fill)[None]
        return low + grey.astype(np.float32) / np.float32(255) * np.float32(high - low)
    deep = image.mode.startswith("I")  # a PNG's greys may have 16 bits
    image = image.convert("F" if deep else "L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    grey = np.asarray(image, dtype=np.float32).reshape(height, width, -1).transpose(2, 0, 1)
    if grey.shape[0] != channels:
        raise InvalidInput(f"the model takes images of {channels} channels; send pixel arrays")
    return low + grey / np.float32(65535 if deep else 255) * np.float32(high - low)


def _is_to_be_like_mnist(image: Image.Image, signature: Signature, wanted: Preprocess) -> bool:
    if wanted != "auto":
        return wanted == "mnist"
    if signature.dataset not in FILL:
        return False
    _, height, width = signature.input_shape
    if image.size != (width, height) or image.mode not in {"L", "1"}:
        return True
    _load(image)
    return has_light_ground(image)


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error...
        raise InvalidInput(f"is a damaged or cut off {image.format} image") from error


def _expected(shape: tuple[int, int, int]) -> str:
    nested = [list(shape)] + ([list(shape[1:])] if shape[0] == 1 else [])
    return f"{' or '.join(map(str, nested))}, or {prod(shape)} numbers in a row"
