"""Reads the rows in the body of POST /predict: objects of the values of a table's columns."""

from functools import partial
from typing import Any

import msgspec

from app import json_text
from app.api.predict_body import PARSED_BYTES, ModelInputs, most_inputs
from app.api.problem_kinds import InvalidBody
from app.images import InvalidInput
from app.serving.decoding import DecodingPool
from app.serving.row_inputs import LONGEST_NAME, from_rows, named
from app.serving.table_signature import TableSignature

INLINE_BYTES = 2**14
"""Rows in up to this many bytes are read on the event loop: some 100 rows, in a millisecond."""

_items = msgspec.json.Decoder(list[msgspec.Raw])
_row = msgspec.json.Decoder(dict[str, Any])
_values = msgspec.json.Decoder(dict[str, msgspec.Raw])
_value = msgspec.json.Decoder(Any)
_ENDS_OF_NAMES = (b'":', b" :", b"\t:", b"\n:", b"\r:")
"""How a name ends with its colon. Texts may hold them, too."""


def about(signature: TableSignature) -> str:
    """What a model of a table takes, in a sentence."""
    return (
        "the model takes rows of a table as JSON, each an object with its columns "
        f"{named(column.name for column in signature.columns)}"
    )


async def model_inputs(
    inputs: msgspec.Raw, signature: TableSignature, decoding: DecodingPool
) -> ModelInputs:
    """The model's input for each of one or many rows. Many are read in a thread.

    Raises:
        InvalidBody: no rows, or too many.
        InvalidInput: with the index of the row that is wrong.
        Overloaded: too many requests wait to be read already.
    """
    content = bytes(inputs)
    if len(content) <= INLINE_BYTES:
        return _read(content, signature)
    size = len(content) * PARSED_BYTES
    return await decoding.run(size, partial(_read, content, signature))


def _read(content: bytes, signature: TableSignature) -> ModelInputs:
    many = _items.decode(content) if content.startswith(b"[") else [msgspec.Raw(content)]
    most = most_inputs(signature)
    if not 1 <= len(many) <= most:
        raise InvalidBody(f"inputs has {len(many)} items; send 1 to {most}.", "/inputs")
    rows = [_decoded(bytes(each), index, signature) for index, each in enumerate(many)]
    if _may_repeat(content, sum(map(len, rows))):
        for index, (each, row) in enumerate(zip(many, rows, strict=True)):
            _check_names(bytes(each), row, index)
    return ModelInputs(*from_rows(rows, signature))


def _decoded(value: bytes, index: int, signature: TableSignature) -> dict[str, Any]:
    if not value.startswith(b"{"):
        raise InvalidInput(f"is no row; {about(signature)}", index)
    try:
        return _row.decode(value)
    except RecursionError as error:
        raise InvalidInput("is nested too deeply", index) from error
    except msgspec.ValidationError as error:
        raise InvalidInput(_fault(value) or "has a number that is too large", index) from error
    except msgspec.DecodeError as error:
        raise InvalidInput(f"is not valid JSON: {error}", index) from error


def _may_repeat(content: bytes, names: int) -> bool:
    """Whether JSON may have more names than the different ones in its objects: a quick look."""
    return content.count(b":") > names < sum(map(content.count, _ENDS_OF_NAMES))


def _check_names(value: bytes, row: dict[str, Any], index: int) -> None:
    """Checks that no name comes twice in a row. The decoder would keep the last value only.

    Raises:
        InvalidInput: one does.
    """
    if _may_repeat(value, len(row)):
        try:
            json_text.parse(value)
        except ValueError as error:
            raise InvalidInput(f"is not valid JSON: {error}", index) from error


def _fault(row: bytes) -> str | None:
    """Which column has a number that not even Python's numbers hold; None where none has."""
    for name, value in _values.decode(row).items():
        try:
            _value.decode(value)
        except msgspec.ValidationError:
            return f"{name[:LONGEST_NAME]!r}: is too large a number"
    return None
