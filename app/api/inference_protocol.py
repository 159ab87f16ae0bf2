"""Bodies of the Open Inference Protocol v2: tensors as JSON, or behind it as raw bytes.

https://github.com/kserve/open-inference-protocol, and the binary tensor data and classification
extensions that Triton documents.
"""

from math import prod
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.api import json_cuts, json_numbers, strict_json
from app.api.body import utf8_text
from app.api.msgspec_words import reason
from app.api.predict_body import most_inputs
from app.api.problem_kinds import InvalidBody
from app.serving import pixel_arrays
from app.serving.input_warnings import InputWarning
from app.serving.predictor import Probabilities
from app.serving.signature import Pixels, Range, Signature, check_range

INPUT, OUTPUT = "pixels", "probabilities"
DATATYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""The protocol's numbers as NumPy has them; in binary they are little-endian."""


Parameters = dict[str, Any] | None
"""Null is what many clients write where they leave a field out."""


class InputTensor(msgspec.Struct):
    """A tensor as it was sent: its numbers in `data`, or behind the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class WantedOutput(msgspec.Struct):
    """A tensor that the client asks for."""

    name: str
    parameters: Parameters = None


class InferRequest(msgspec.Struct):
    """The JSON part of a request; other fields are extensions that we do not have."""

    inputs: list[InputTensor]
    id: str | int | float | None = None
    """The protocol has a text here; clients that send a number get it back as one."""
    parameters: Parameters = None
    outputs: list[WantedOutput] | None = None


class Wanted(NamedTuple):
    """How the output is to be sent; `classes` is how many of the best to name instead of all."""

    binary: bool
    classes: int


class OutputTensor(msgspec.Struct, omit_defaults=True):
    """A tensor of the response."""

    name: str
    datatype: Literal["FP32", "BYTES"]
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    """The JSON part of a response."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | int | float | None = None
    parameters: dict[str, str] = {}


_request = msgspec.json.Decoder(InferRequest)


async def read(body: bytes, header_length: str) -> tuple[InferRequest, bytes]:
    """The JSON of a body and the bytes behind it. `header_length` is empty if all of it is JSON.

    Raises:
        InvalidBody: not such a body.
    """
    length = len(body)
    if header_length:
        length = int(header_length[:20]) if header_length.isdecimal() else -1
        if not 0 <= length <= len(body):
            raise InvalidBody("Inference-Header-Content-Length must be the bytes of the JSON part.")
    try:
        text = utf8_text(body[:length])
        request = _request.decode(text)
        values = [tensor.data for tensor in request.inputs if binary_size(tensor) is None]
        around, cuts = json_cuts.without(text, values)
        if around.count(b":") > _names(request) + cuts:  # one may be there twice
            await strict_json.parsed(around)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why = reason(body[:length], error)
        raise InvalidBody(f"The body is not an inference request: {why}.") from error
    return request, body[length:]


def _names(request: InferRequest) -> int:
    """How many names its JSON has at least, beside those of the tensors' data."""
    outputs = request.outputs or []
    carriers: list[InferRequest | InputTensor | WantedOutput]
    carriers = [request, *request.inputs, *outputs]
    given = [each.parameters for each in carriers if each.parameters is not None]
    optional = (request.id is not None) + (request.outputs is not None)
    named = 1 + 3 * len(request.inputs) + len(outputs)
    return named + optional + len(given) + sum(map(len, given))


def pixel_range(request: InferRequest) -> Range | None:
    """The range of the pixels that a parameter of the request or its tensor declares.

    Parameters are texts, numbers and booleans in the protocol: a range is `"0,1"`, or a list.

    Raises:
        InvalidBody: it is no range.
    """
    given = parameter(request, "pixel_range")
    if given is None:
        return None
    ends = given.split(",") if isinstance(given, str) else given
    try:
        return check_range(msgspec.convert(ends, Range, strict=False))
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidBody(f"pixel_range: {error}.") from error


def parameter(request: InferRequest, name: str) -> Any:
    """A parameter of the request or its tensor, which counts more; None if there is none."""
    carriers = [request.parameters, *(tensor.parameters for tensor in request.inputs)]
    given = [each[name] for each in carriers if each and each.get(name) is not None]
    return given[-1] if given else None


def only_input(request: InferRequest) -> InputTensor:
    """The one input.

    Raises:
        InvalidBody: there are others, or none.
    """
    if [tensor.name for tensor in request.inputs] != [INPUT]:
        raise InvalidBody(f"Send one input, named {INPUT}.")
    return request.inputs[0]


def check_count(tensor: InputTensor, signature: Signature) -> None:
    """Refuses a tensor of no images, or of more than a request may bring.

    Raises:
        InvalidBody: it is one.
    """
    most, count = most_inputs(signature), tensor.shape[0] if tensor.shape else 0
    if not 1 <= count <= most:
        raise InvalidBody(f"{INPUT}: send 1 to {most} images, not {count}.")


def pixels(
    request: InferRequest, binary: bytes, signature: Signature, given: Range | None = None
) -> Pixels:
    """The one input as the model takes it, (n, C, H, W); `given` is the range of its pixels.

    Raises:
        InvalidBody: other tensors, another shape or datatype, or too few or too many numbers.
        InvalidInput: a pixel is outside of its range.
    """
    tensor = only_input(request)
    if tensor.datatype not in DATATYPES:
        raise InvalidBody(
            f"{INPUT}: datatype must be FP32 or another number, or BYTES for image files."
        )
    shape = signature.input_shape
    if tuple(tensor.shape[1:]) not in pixel_arrays.shapes(shape):
        raise InvalidBody(f"{INPUT}: shape must be {[-1, *shape]}, not {tensor.shape}.")
    check_count(tensor, signature)
    array = _numbers(tensor, binary)
    if array.size != prod(tensor.shape):
        raise InvalidBody(f"{INPUT}: has {array.size} numbers; its shape is {tensor.shape}.")
    images = pixel_arrays.arranged(array.reshape(tensor.shape), shape)
    return pixel_arrays.in_range(images, signature, given)


def binary_size(tensor: InputTensor) -> Any:
    """Bytes of the tensor behind the JSON, as the request says; None if it is in the JSON."""
    return (tensor.parameters or {}).get("binary_data_size")


def _numbers(tensor: InputTensor, binary: bytes) -> NDArray[Any]:
    kind = np.dtype(DATATYPES[tensor.datatype])
    size = binary_size(tensor)
    if size is not None:
        if size != len(binary) or len(binary) % kind.itemsize:
            raise InvalidBody(
                f"{INPUT}: binary_data_size is {size}; {len(binary)} bytes follow the JSON, "
                f"{kind.itemsize} a number."
            )
        return np.frombuffer(binary, kind)
    data = bytes(tensor.data)
    if data == b"null" or binary:
        raise InvalidBody(f"{INPUT}: send data, or binary_data_size and the bytes.")
    numbers = json_numbers.array(data)
    if numbers is not None:
        return numbers
    try:  # such as numbers beyond those of 64 bits
        return np.array(msgspec.json.decode(data), dtype=np.float64)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidBody(f"{INPUT}: data must be numbers in lists of equal length.") from error


def wanted(request: InferRequest) -> Wanted:
    """What the client asks of the output.

    Raises:
        InvalidBody: it asks for another, or for one in a way that there is not.
    """
    asked = request.outputs or [WantedOutput(OUTPUT)]
    if [output.name for output in asked] != [OUTPUT]:
        raise InvalidBody(f"The only output is {OUTPUT}.")
    parameters, others = asked[0].parameters or {}, request.parameters or {}
    binary = parameters.get("binary_data", others.get("binary_data_output", False))
    classes = parameters.get("classification", 0)
    if not isinstance(binary, bool):
        raise InvalidBody(f"{OUTPUT}: binary_data must be true or false.")
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 0:
        raise InvalidBody(f"{OUTPUT}: classification must be a number of classes.")
    return Wanted(binary, classes)


def warning_parameters(
    warnings: dict[int, list[InputWarning]], place: str = INPUT
) -> dict[str, str]:
    """The response's parameters: `warnings`, a line for each warning, if there are any."""
    lines = [
        f"{place}[{index}]: {each.code}: {each.detail}"
        for index, found in warnings.items()
        for each in found
    ]
    return {"warnings": "\n".join(lines)} if lines else {}


def encode(
    response: InferResponse, probabilities: Probabilities, how: Wanted, labels: list[str]
) -> tuple[bytes, int]:
    """The body, and the bytes of its JSON part: all of them if no tensor is binary."""
    if how.classes:
        best = _best(probabilities, how.classes, labels)
        tensor = OutputTensor(OUTPUT, "BYTES", [len(best), len(best[0])])
        texts = [text for row in best for text in row]
        content = b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in texts)
    else:
        tensor = OutputTensor(OUTPUT, "FP32", list(probabilities.shape))
        content = probabilities.astype("<f4", copy=False).tobytes()
        texts = []
    if how.binary:
        tensor.parameters = {"binary_data_size": len(content)}
    else:
        tensor.data = texts or probabilities.ravel().tolist()
        content = b""
    response.outputs.append(tensor)
    head = msgspec.json.encode(response)
    return head + content, len(head)


def _best(probabilities: Probabilities, classes: int, labels: list[str]) -> list[list[str]]:
    """The best classes of each image as `confidence:index:label`, as Triton writes them."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :classes]
    return [
        [f"{row[index]:f}:{index}:{labels[index]}" for index in best]
        for row, best in zip(probabilities, order, strict=True)
    ]
