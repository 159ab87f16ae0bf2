"""Reads the JSON of POST /predict: lists of numbers go from bytes to an array without a detour."""

from typing import Annotated, NamedTuple, get_args

import msgspec

from app import json_text
from app.api import json_cuts, json_numbers
from app.api.body import utf8_text
from app.api.json_cuts import EMPTY
from app.api.json_numbers import Numbers
from app.api.msgspec_words import reason, refusal
from app.api.problem_kinds import InvalidBody
from app.serving.image_inputs import Preprocess
from app.serving.signature import Range, check_range

INLINE_BYTES = 2**18
"""Numbers in up to this many bytes are read on the event loop; a thread costs more than they do."""

MAX_CLASSES = 10_000
"""Highest top_k; a model with fewer classes lists all of them."""

VALUES = {"/preprocess": get_args(Preprocess)}
"""What fields with few allowed values take."""

Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON body, its inputs still as JSON. Null means what the query says."""

    inputs: msgspec.Raw
    model: Ref | None = None
    top_k: Annotated[int, msgspec.Meta(ge=1, le=MAX_CLASSES)] | None = None
    pixel_range: Range | None = None
    preprocess: Preprocess | None = None


class _WithoutInputs(msgspec.Struct):
    """A body whose inputs were cut out: others are there only if it has them twice."""

    inputs: tuple[()]


_body = msgspec.json.Decoder(PredictBody)
_without_inputs = msgspec.json.Decoder(_WithoutInputs)


class Read(NamedTuple):
    """A body, and its inputs as an array where they are numbers in lists."""

    sent: PredictBody
    numbers: Numbers | None


def read(body: bytes) -> Read:
    """The body. Its inputs are read at once where they are numbers, and not too many.

    Raises:
        InvalidBody: not JSON, or a field is missing, unknown, or no value that can be used.
    """
    return _with_numbers(body) or Read(_fields(body), None)


def _with_numbers(body: bytes) -> Read | None:
    """A body whose only list is numbers; None if it is another, or wrong in some way."""
    begin, end = body.find(b"["), body.rfind(b"]") + 1
    if not 0 < begin < end or end - begin > INLINE_BYTES:
        return None
    inputs = body[begin:end]
    numbers = json_numbers.array(inputs)
    if numbers is None:
        return None
    try:
        around = utf8_text(body[:begin] + EMPTY + body[end:])
        sent = _body.decode(around)
        _check_names(around, sent)
    except (msgspec.MsgspecError, UnicodeDecodeError, InvalidBody):
        return None
    if bytes(sent.inputs) != EMPTY:  # the list is in a text
        return None
    sent.inputs = msgspec.Raw(inputs)
    return Read(sent, numbers)


def _fields(body: bytes) -> PredictBody:
    try:
        text = utf8_text(body)
        sent = _body.decode(text)
    except msgspec.ValidationError as error:
        raise refusal(error, PredictBody, VALUES) from error
    except RecursionError as error:
        raise InvalidBody("The body is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidBody(f"The body is not valid JSON: {reason(body, error)}.") from error
    around, _ = json_cuts.without(text, [sent.inputs])
    _check_names(around, sent)
    try:
        if sent.pixel_range is not None:
            check_range(sent.pixel_range)
    except ValueError as error:
        raise InvalidBody(f"{error}.", "/pixel_range") from error
    return sent


def _check_names(around: bytes, sent: PredictBody) -> None:
    """Checks that no name comes twice. `around` is the body with `[]` for the inputs that count.

    Raises:
        InvalidBody: one does.
    """
    others = (sent.model, sent.top_k, sent.pixel_range, sent.preprocess)
    if around.count(b":") <= 1 + len(others) - others.count(None):
        return
    try:
        _without_inputs.decode(around)  # megabytes of other inputs are not read to the end
        json_text.parse(around)
    except msgspec.ValidationError as error:
        why = "'inputs' appears twice in one object"
        raise InvalidBody(f"The body is not valid JSON: {why}.") from error
    except ValueError as error:
        raise InvalidBody(f"The body is not valid JSON: {error}.") from error
