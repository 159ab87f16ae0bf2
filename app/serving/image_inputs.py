"""From an opened image file to a model's input."""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.images import InvalidInput
from app.images.files import decoded
from app.images.preparation import Preparation
from app.serving import pixel_arrays
from app.serving.input_warnings import BLANK_PICTURE, BLANK_PIXELS, InputWarning
from app.serving.preprocessing import has_light_ground, like_mnist
from app.serving.signature import Pixels, Signature

Preprocess = Literal["auto", "mnist", "none"]
"""`mnist` brings an image file to the model's input the way MNIST was made; `none` only makes it
grey and scales it; `auto` is `mnist` where the model's training images were made like that and
the file is not one of that kind already."""
FILE_RANGE = (0.0, 255.0)
"""Darkest and brightest value of a prepared file's pixels."""
FILL = {"mnist": 20 / 28, "digits": 1.0}
"""Datasets of centred bright strokes on black, and the fraction of a side that a digit fills."""


class ImageInput(NamedTuple):
    """An image as the model takes it, (C, H, W), and the doubts about it."""

    pixels: Pixels
    warnings: list[InputWarning]

    @property
    def is_blank(self) -> bool:
        """Nothing was found that could be classified."""
        return BLANK_PICTURE in self.warnings


def from_image(
    image: Image.Image, signature: Signature, preprocess: Preprocess = "auto"
) -> ImageInput:
    """An opened image, decoded, in the model's size and range.

    A model of pictures of one's own sees them as its import has prepared them; `preprocess` is for
    the others.

    Raises:
        InvalidInput: corrupt or cut off, or the model takes neither grey nor RGB.
    """
    if signature.preparation is not None:
        return _prepared(image, signature, signature.preparation)
    channels, height, width = signature.input_shape
    if channels not in (1, 3):
        raise InvalidInput(f"the model takes images of {channels} channels; send pixel arrays")
    is_grey = image.mode in {"L", "1"}
    picture = decoded(image)
    if channels == 1 and _is_to_be_like_mnist(picture, is_grey, signature, preprocess):
        digit = like_mnist(picture, height, width, FILL.get(signature.dataset, FILL["mnist"]))
        return ImageInput(_in_range(digit.pixels[None], signature), digit.warnings)
    if picture.mode != "F":
        picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(picture, np.float32).reshape(height, width, -1).transpose(2, 0, 1)
    values = np.broadcast_to(values, signature.input_shape)  # greys of 16 bits, to three channels
    is_blank = np.min(values) == np.max(values)
    return ImageInput(_in_range(values, signature), [BLANK_PIXELS] if is_blank else [])


def _prepared(image: Image.Image, signature: Signature, preparation: Preparation) -> ImageInput:
    prepared = preparation.prepare(image, signature.input_shape)
    is_blank = prepared.min() == prepared.max()
    pixels = pixel_arrays.in_range(prepared, signature, FILE_RANGE)
    return ImageInput(pixels, [BLANK_PIXELS] if is_blank else [])


def refusal(signature: Signature, preprocess: Preprocess) -> str | None:
    """Why a model does not take this `preprocess`; None if it does."""
    if signature.preparation is None or preprocess == "auto":
        return None
    return (
        f"{preprocess} is for models of built-in datasets; this one's image files are always "
        "prepared as at the import of its dataset. Leave preprocess out"
    )


def _is_to_be_like_mnist(
    picture: Image.Image, is_grey: bool, signature: Signature, wanted: Preprocess
) -> bool:
    if wanted != "auto":
        return wanted == "mnist"
    if signature.dataset not in FILL:
        return False
    _, height, width = signature.input_shape
    return not is_grey or picture.size != (width, height) or has_light_ground(picture)


def _in_range(values: NDArray[Any], signature: Signature) -> Pixels:
    """Pixels from 0 to 255 in the model's own range, float32."""
    low, high = signature.pixel_range
    pixels: Pixels = low + values.astype(np.float32) / np.float32(255) * np.float32(high - low)
    return pixels
