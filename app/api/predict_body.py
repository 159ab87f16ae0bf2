"""The inputs of POST /predict, as they stand in its JSON, as what the model takes."""

import re
from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import msgspec
import numpy as np
from PIL import Image

from app.api import json_numbers
from app.api.json_numbers import Numbers
from app.api.msgspec_words import explained
from app.api.predict_json import INLINE_BYTES, Read
from app.api.problem_kinds import InvalidBody
from app.images import InvalidInput, files
from app.serving import pixel_arrays
from app.serving.base64_images import open_base64
from app.serving.decoding import DecodingPool
from app.serving.image_inputs import Preprocess
from app.serving.input_warnings import InputWarning
from app.serving.signature import Pixels, Range, Signature
from app.serving.table_signature import TableSignature

MAX_INPUTS = 1024
"""Most inputs of one request."""
MAX_PIXELS = 2**25
"""Most pixels of a request's inputs as the model takes them: 128 MiB of numbers."""

BRIGHTEST = 255
"""Highest number in a byte; as unsigned ones, those below 0 are above it."""

PARSED_BYTES = 16
"""Bytes of memory that a byte of JSON takes while it is read: `0,` becomes a float in a list."""


class ModelInputs(NamedTuple):
    """Pixels (n, C, H, W) or rows (n, columns), and the warnings about them by index."""

    values: Pixels
    warnings: dict[int, list[InputWarning]]


_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_nested: dict[int, msgspec.json.Decoder[Any]] = {
    1: msgspec.json.Decoder(list[float]),
    2: msgspec.json.Decoder(list[list[float]]),
    3: msgspec.json.Decoder(list[list[list[float]]]),
}
_opening = re.compile(rb"[\s\[]*")


def most_inputs(signature: Signature | TableSignature) -> int:
    """Most inputs of one request to a model: fewer where they are large."""
    return max(1, min(MAX_INPUTS, MAX_PIXELS // prod(signature.input_shape)))


async def model_inputs(
    read: Read,
    signature: Signature,
    given: Range | None,
    preprocess: Preprocess,
    decoding: DecodingPool,
) -> ModelInputs:
    """The model's input for each of one or many. What takes long runs in threads, image by image.

    Raises:
        InvalidInput: with the index of the input that is wrong.
        Overloaded: too many requests wait to be read already.
    """
    pixels = _pixels(read.numbers, signature, given)
    if pixels is not None:
        return ModelInputs(pixels, pixel_arrays.find_warnings(pixels, signature, given))
    content = bytes(read.sent.inputs)
    reader = partial(_parsed, content, signature, given)
    if b'"' in content or len(content) > INLINE_BYTES:
        parsed = await decoding.run(len(content) * PARSED_BYTES, reader)
    else:
        parsed = reader()
    if isinstance(parsed, np.ndarray):
        return ModelInputs(parsed, pixel_arrays.find_warnings(parsed, signature, given))
    return await decoded_inputs(parsed, signature, given, preprocess, decoding)


async def decoded_inputs(
    parsed: Sequence[Pixels | Image.Image],
    signature: Signature,
    given: Range | None,
    preprocess: Preprocess,
    decoding: DecodingPool,
) -> ModelInputs:
    """The model's input for each of several, pixels or opened images.

    Raises:
        InvalidInput: with the index of the input that is wrong.
        Overloaded: too many requests wait to be read already.
    """
    rows: list[Pixels] = []
    warnings: dict[int, list[InputWarning]] = {}
    for index, each in enumerate(parsed):
        if isinstance(each, Image.Image):
            try:
                row, found = await decoding.decode(each, signature, preprocess)
            except InvalidInput as error:
                raise InvalidInput(error.message, index) from error
        else:
            row = each
            found = pixel_arrays.find_warnings(row[None], signature, given).get(0, [])
        rows.append(row)
        if found:
            warnings[index] = found
    stacked: Any = np.stack(rows)  # bytes stay bytes where all are
    return ModelInputs(stacked, warnings)


def _parsed(
    content: bytes, signature: Signature, given: Range | None
) -> Pixels | list[Pixels | Image.Image]:
    """The pixels (n, C, H, W) of the commonest body; of another one each input, images opened.

    Raises:
        InvalidInput: with the index of the input that is wrong.
    """
    pixels = _pixels(json_numbers.array(content), signature, given)
    if pixels is not None:
        return pixels
    many = _separate(content, signature)
    most = most_inputs(signature)
    if not 1 <= len(many) <= most:
        raise InvalidBody(f"inputs has {len(many)} items; send 1 to {most}.", "/inputs")
    opened = [_open(each, index, signature, given) for index, each in enumerate(many)]
    files.check_sizes([each for each in opened if isinstance(each, Image.Image)])
    return opened


def _pixels(numbers: Numbers | None, signature: Signature, given: Range | None) -> Pixels | None:
    """The commonest body at once: images (n, C, H, W), from numbers of one image or of several.
    None if it is another, or wrong in some way."""
    shape = signature.input_shape
    known = pixel_arrays.shapes(shape)
    if numbers is None or not (numbers.shape in known or numbers.shape[1:] in known):
        return None
    several = numbers if numbers.shape[1:] in known else numbers[np.newaxis]
    if len(several) > most_inputs(signature):
        return None
    images = pixel_arrays.arranged(several, shape)
    if images.dtype == np.int64 and images.view(np.uint64).max() <= BRIGHTEST:
        images = images.astype(np.uint8)
    try:
        return pixel_arrays.in_range(images, signature, given)
    except InvalidInput:  # the long way says which of them it is
        return None


def _separate(inputs: bytes, signature: Signature) -> list[bytes]:
    """One or many? A list may also be a single image, if it has the shape of one."""
    channels, height, width = signature.input_shape
    depth = _depth(inputs)
    if depth == 0:
        return [inputs]
    items = [bytes(item) for item in _items.decode(inputs)]
    if not items:
        return []
    if depth == 1:
        single = not items[0].startswith(b'"')
    elif depth == 2:
        an_image = channels == 1 and len(items) == height
        single = an_image and len(_items.decode(items[0])) == width != channels * height * width
    else:
        single = depth == 3 and channels > 1
    return [inputs] if single else items


def _open(
    value: bytes, index: int, signature: Signature, given: Range | None
) -> Image.Image | Pixels:
    """An image whose header alone has been read, or the pixels of nested lists."""
    try:
        if value.startswith(b'"'):
            return open_base64(_text.decode(value))
        _refuse_row(value)
        # Deeper lists, and what is no list, fail in the decoder that comes nearest.
        decoder = _nested[min(max(_depth(value), 1), len(_nested))]
        return pixel_arrays.from_numbers(decoder.decode(value), signature, given)
    except InvalidInput as error:
        raise InvalidInput(error.message, index) from error
    except msgspec.ValidationError as error:
        detail, path = explained(error)
        raise InvalidInput(f"{detail}{path and ' at ' + path}", index) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"is not valid JSON: {error}", index) from error


def _depth(value: bytes) -> int:
    """How many lists open before the first element."""
    opening = _opening.match(value)
    return opening[0].count(b"[") if opening else 0


def _refuse_row(value: bytes) -> None:
    if value.lstrip(b"[ \t\r\n").startswith(b"{"):
        raise InvalidInput(
            "is a row of a table; the model takes pictures: pixels in lists, or image files"
        )
