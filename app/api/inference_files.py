"""Image files in the Open Inference Protocol: a tensor of BYTES whose every element is a file."""

from collections.abc import Sequence
from functools import partial
from typing import get_args

import msgspec
from PIL import Image

from app.api import inference_protocol
from app.api.inference_protocol import INPUT, InferRequest, InputTensor
from app.api.predict_body import PARSED_BYTES, ModelInputs, decoded_inputs
from app.api.problem_kinds import InvalidBody
from app.images import InvalidInput, files
from app.serving import image_inputs
from app.serving.base64_images import open_base64
from app.serving.decoding import DecodingPool
from app.serving.image_inputs import Preprocess
from app.serving.input_warnings import BLANK_PICTURE, InputWarning
from app.serving.predictor import Probabilities
from app.serving.signature import Signature

BYTES = "BYTES"
LENGTH_BYTES = 4
"""Bytes of an element's length, which stands before it in binary: unsigned, little-endian."""

_texts = msgspec.json.Decoder(list[str])
_nested = msgspec.json.Decoder(list[list[str]])


def has_files(request: InferRequest) -> bool:
    """Whether an input brings image files instead of numbers."""
    return any(tensor.datatype == BYTES for tensor in request.inputs)


async def model_inputs(
    request: InferRequest, binary: bytes, json_bytes: int, signature: Signature, pool: DecodingPool
) -> ModelInputs:
    """The model's input for each file; files are opened and decoded in the pool's threads.

    A parameter `preprocess` of the request or the tensor is that of /predict.

    Raises:
        InvalidBody: not one tensor of files, a file that cannot be used, or a `preprocess` that
            the model does not take.
        Overloaded: too many requests wait to be read already.
    """
    preprocess = _preprocess(request, signature)
    size = len(binary) + json_bytes * PARSED_BYTES
    try:
        opened = await pool.run(size, partial(_opened, request, binary, signature))
        return await decoded_inputs(opened, signature, None, preprocess, pool)
    except InvalidInput as error:
        place = INPUT if error.index is None else f"{INPUT}[{error.index}]"
        raise InvalidBody(f"{place}: {error.message}.") from error


def with_blanks(
    probabilities: Probabilities, warnings: dict[int, list[InputWarning]]
) -> Probabilities:
    """The probabilities, the same for every class where nothing is drawn."""
    blank = [index for index, found in warnings.items() if BLANK_PICTURE in found]
    if not blank:
        return probabilities
    probabilities = probabilities.copy()  # it shows a part of the batch
    probabilities[blank] = 1 / probabilities.shape[1]
    return probabilities


def _preprocess(request: InferRequest, signature: Signature) -> Preprocess:
    said = inference_protocol.parameter(request, "preprocess")
    try:
        preprocess: Preprocess = msgspec.convert("auto" if said is None else said, Preprocess)
    except msgspec.ValidationError as error:
        known = ", ".join(map(repr, get_args(Preprocess)))
        raise InvalidBody(f"preprocess: must be one of {known}.") from error
    if refusal := image_inputs.refusal(signature, preprocess):
        raise InvalidBody(f"preprocess: {refusal}.")
    return preprocess


def _opened(request: InferRequest, binary: bytes, signature: Signature) -> list[Image.Image]:
    """The images of the one input: their headers are read, their pixels not yet."""
    tensor = inference_protocol.only_input(request)
    if tensor.shape[1:] not in ([], [1]):
        raise InvalidBody(f"{INPUT}: shape of BYTES must be [-1] or [-1, 1], not {tensor.shape}.")
    inference_protocol.check_count(tensor, signature)
    contents = _elements(tensor, binary)
    if len(contents) != tensor.shape[0]:
        raise InvalidBody(f"{INPUT}: has {len(contents)} files; its shape is {tensor.shape}.")
    images = []
    for index, content in enumerate(contents):
        try:
            images.append(_open(content))
        except InvalidInput as error:
            raise InvalidInput(error.message, index) from error
    files.check_sizes(images)
    return images


def _open(content: str | bytes) -> Image.Image:
    return open_base64(content) if isinstance(content, str) else files.open_file(content)


def _elements(tensor: InputTensor, binary: bytes) -> Sequence[str | bytes]:
    """The texts of a tensor in JSON, or the elements that follow the JSON."""
    size = inference_protocol.binary_size(tensor)
    if size is not None:
        if size != len(binary):
            raise InvalidBody(
                f"{INPUT}: binary_data_size is {size}; {len(binary)} bytes follow the JSON."
            )
        return separated(binary, most=tensor.shape[0] + 1, name=INPUT)
    data = bytes(tensor.data)
    if data == b"null" or binary:
        raise InvalidBody(f"{INPUT}: send data, or binary_data_size and the bytes.")
    try:
        return _texts.decode(data)
    except msgspec.MsgspecError:  # [-1, 1] may be nested
        pass
    try:
        return [text for row in _nested.decode(data) for text in row]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidBody(f"{INPUT}: data must be image files in base64, as texts.") from error


def separated(binary: bytes, most: int, name: str) -> list[bytes]:
    """The first elements of those that stand one after another, each behind its length.

    Raises:
        InvalidBody: one is longer than the bytes of the tensor `name`.
    """
    elements: list[bytes] = []
    start = 0
    while start < len(binary) and len(elements) < most:
        begin = start + LENGTH_BYTES
        start = begin + int.from_bytes(binary[start:begin], "little")
        if start > len(binary):
            raise InvalidBody(f"{name}: an element is longer than the bytes that follow the JSON.")
        elements.append(binary[begin:start])
    return elements
