"""Rows of tables in the Open Inference Protocol: a tensor for each column."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from app.api import inference_protocol
from app.api.inference_files import BYTES, separated
from app.api.inference_protocol import DATATYPES, InferRequest, InputTensor
from app.api.predict_body import ModelInputs, most_inputs
from app.api.problem_kinds import InvalidBody
from app.images import InvalidInput
from app.rows.columns import Column
from app.serving.row_inputs import LONGEST_NAME, from_rows, named
from app.serving.table_signature import TableSignature

ROWS = "rows"
"""What a message calls the inputs together."""

Number = bool | int | float | None

_numbers = msgspec.json.Decoder(list[Number])
_nested_numbers = msgspec.json.Decoder(list[list[Number]])
_texts = msgspec.json.Decoder(list[str | None])
_nested_texts = msgspec.json.Decoder(list[list[str | None]])


def datatype(column: Column) -> str:
    """The protocol's datatype of a column: numbers are FP64, dates and categories texts."""
    return "FP64" if column.kind == "number" else BYTES


def model_inputs(request: InferRequest, binary: bytes, signature: TableSignature) -> ModelInputs:
    """The model's input for each row. The tensors' bytes follow the JSON in the tensors' order.

    Raises:
        InvalidBody: a tensor cannot be read, they differ in length, there are too few or too many
            rows, a value is none of its column, or a parameter is for pictures.
    """
    for name in ("preprocess", "pixel_range"):
        if inference_protocol.parameter(request, name) is not None:
            raise InvalidBody(f"{name} is for models of pictures; this one takes rows of a table.")
    count = _count(request.inputs, signature)
    columns: dict[str, Sequence[object]] = {}
    start = 0
    for tensor in request.inputs:
        size = _binary_size(tensor, len(binary) - start)
        if tensor.name in columns:
            raise InvalidBody(f"{_name(tensor)}: is sent twice.")
        content = None if size is None else binary[start : start + size]
        columns[tensor.name] = _values(tensor, content, count)
        start += size or 0
    if start != len(binary):
        raise InvalidBody(f"{len(binary)} bytes follow the JSON; its tensors have {start}.")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    try:
        return ModelInputs(*from_rows(rows, signature))
    except InvalidInput as error:
        raise InvalidBody(f"{ROWS}[{error.index}]: {error.message}.") from error


def _count(tensors: list[InputTensor], signature: TableSignature) -> int:
    """How many rows the tensors have, which is the same for all."""
    if not tensors:
        known = named(column.name for column in signature.columns)
        raise InvalidBody(f"Send an input for each column of the table: {known}.")
    most = most_inputs(signature)
    first = tensors[0]
    for tensor in tensors:
        if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
            raise InvalidBody(
                f"{_name(tensor)}: shape must be [-1, 1] or [-1], not {tensor.shape[:10]}."
            )
        if not 1 <= tensor.shape[0] <= most:
            raise InvalidBody(f"{_name(tensor)}: send 1 to {most} rows, not {tensor.shape[0]}.")
        if tensor.shape[0] != first.shape[0]:
            raise InvalidBody(
                f"{_name(tensor)}: has {tensor.shape[0]} rows, and {_name(first)} "
                f"{first.shape[0]}; send as many for each column."
            )
    return first.shape[0]


def _name(tensor: InputTensor) -> str:
    return tensor.name[:LONGEST_NAME]


def _binary_size(tensor: InputTensor, left: int) -> int | None:
    """How many of the bytes behind the JSON are the tensor's; None if its values are in the JSON.

    `left` bytes belong to no tensor yet.
    """
    size = inference_protocol.binary_size(tensor)
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= left:
        raise InvalidBody(
            f"{_name(tensor)}: binary_data_size must be its bytes behind the JSON; {left} are left."
        )
    return size


def _values(tensor: InputTensor, content: bytes | None, count: int) -> Sequence[object]:
    """The column's values, from the bytes or else the JSON."""
    if tensor.datatype != BYTES and tensor.datatype not in DATATYPES:
        raise InvalidBody(f"{_name(tensor)}: datatype must be FP64 or another number, or BYTES.")
    if content is None:
        values = _from_json(tensor)
    elif tensor.datatype == BYTES:
        values = _decoded(separated(content, count + 1, _name(tensor)), tensor)
    else:
        kind = np.dtype(DATATYPES[tensor.datatype])
        if len(content) % kind.itemsize:
            raise InvalidBody(f"{_name(tensor)}: a number has {kind.itemsize} bytes.")
        values = np.frombuffer(content, kind).tolist()
    if len(values) != count:
        raise InvalidBody(f"{_name(tensor)}: has {len(values)} values; its shape is for {count}.")
    return values


def _from_json(tensor: InputTensor) -> Sequence[object]:
    flat: msgspec.json.Decoder[Any]
    nested: msgspec.json.Decoder[Any]
    if tensor.datatype == BYTES:
        flat, nested, expected = _texts, _nested_texts, "texts"
    else:
        flat, nested, expected = _numbers, _nested_numbers, "numbers"
    data = bytes(tensor.data)
    if data == b"null":
        raise InvalidBody(f"{_name(tensor)}: send data, or binary_data_size and the bytes.")
    try:
        values: Sequence[object] = flat.decode(data)
    except msgspec.MsgspecError:  # [-1, 1] may be nested
        pass
    else:
        return values
    try:
        return list(chain.from_iterable(nested.decode(data)))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidBody(f"{_name(tensor)}: data must be a list of {expected}.") from error


def _decoded(elements: list[bytes], tensor: InputTensor) -> list[str]:
    try:
        return [str(element, "utf-8") for element in elements]
    except UnicodeDecodeError as error:
        raise InvalidBody(f"{_name(tensor)}: its texts must be UTF-8: {error}.") from error
