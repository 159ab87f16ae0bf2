"""What is sent, as JSON: with the numbers of NumPy and PyTorch, and told where JSON has no form."""

import json
import math
from typing import Any

from traind.errors import BadInput


def encoded(document: Any) -> bytes:
    """A document as JSON. Numbers of NumPy and PyTorch are those that they show.

    Raises:
        BadInput: something in it has no form in JSON; the message says where.
    """
    try:
        text = json.dumps(
            document, default=_default, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(_reason(document, error)) from error


def native(value: Any) -> Any:
    """A value of NumPy or PyTorch as Python's own, an array as a list; any other as it is.

    A float is the number that it shows: 0.2 in float32 is 0.20000000298 in float64. A date is a
    `date` or a `datetime`, to the microsecond. Durations stay as they are, and so do dates before
    the year 1 and after 9999: Python has no type for them, and what NumPy gives is a bare number.

    Raises:
        TypeError, ValueError: it has no form in NumPy, as bfloat16 of PyTorch has none.
    """
    if not hasattr(value, "dtype"):
        return value
    if hasattr(value, "detach"):  # a tensor of PyTorch, which may know its gradient or lie on a GPU
        value = value.detach().cpu().numpy()
    if value.shape:
        return [native(each) for each in value]
    kind = value.dtype.kind
    if kind == "f":
        return float(str(value))
    if kind in "mM":
        return _moment_or_duration(value)
    return value.item()


def _moment_or_duration(value: Any) -> Any:
    import numpy as np  # noqa: PLC0415 (only for those who have values of it)

    if np.isnat(value):
        return None
    if value.dtype.kind == "m":
        return value
    if np.datetime_data(value.dtype)[0] in {"ns", "ps", "fs", "as"}:
        value = value.astype("datetime64[us]")
    moment = value.item()
    return value if isinstance(moment, int) else moment


def _default(value: Any) -> Any:
    """What `json` does not know itself."""
    if hasattr(value, "dtype"):
        found = native(value)
        if found is not value:
            return found
    raise TypeError(f"A {type(value).__name__} has no form in JSON.")


def _reason(document: Any, error: Exception) -> str:
    """Where a document has no form in JSON, and why; the error's own words where it is too deep."""
    try:
        return _fault(document, "") or f"It cannot be sent as JSON: {error}"
    except (TypeError, ValueError, RecursionError):
        return f"It cannot be sent as JSON: {error}"


def _fault(value: Any, at: str) -> str | None:
    """The first value without a form in JSON, as a sentence; `at` is the pointer to this one."""
    value = native(value)
    if isinstance(value, dict):
        for name, each in value.items():
            if not isinstance(name, str):
                return f"{at or 'What is sent'} has the name {name!r}, which is no text."
            if found := _fault(each, f"{at}/{name}"):
                return found
        return None
    if isinstance(value, list | tuple):
        faults = (_fault(each, f"{at}/{index}") for index, each in enumerate(value))
        return next(filter(None, faults), None)
    if isinstance(value, float) and not math.isfinite(value):
        return f"{at} is {value}: JSON has finite numbers alone."
    if isinstance(value, str) and not is_utf8(value):
        return f"{at} is {value!r}, which is no text in UTF-8."
    if value is None or isinstance(value, str | int | float):
        return None
    return f"{at} is a {type(value).__name__}, which has no form in JSON."


def is_utf8(text: str) -> bool:
    """Whether a text can be sent. In file names Python keeps bytes that are no UTF-8 as lone
    surrogates, which cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
