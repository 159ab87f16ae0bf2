"""Lists of numbers in JSON, `[...]` and `[[...], [...]]`, straight into an array.

simdjson makes no Python object of each number. What is anything else gives None, and is read again
by who can say what is wrong with it.
"""

import threading
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

KEPT_BYTES = 2**18
"""A parser keeps the memory of the longest text that it has read: a longer one gets its own."""

Numbers = NDArray[np.int64] | NDArray[np.float64]


def row(text: bytes) -> Numbers | None:
    """The numbers (k,) of a text that is a list of them."""
    try:
        parsed = _parser(text).parse(text)
        if not isinstance(parsed, simdjson.Array) or text.count(b"[") != 1:
            return None
        return _array(parsed)
    except (ValueError, TypeError, RuntimeError):
        return None


def rows(text: bytes) -> Numbers | None:
    """The numbers (n, k) of a text that is a list of n lists, each of k numbers."""
    try:
        parsed = _parser(text).parse(text)
        if not isinstance(parsed, simdjson.Array):
            return None
        lists: Any = parsed
        lengths = {len(each) for each in lists}
        # The array would not tell of lists in these lists.
        if len(lengths) != 1 or text.count(b"[") != len(parsed) + 1:
            return None
        return _array(parsed).reshape(len(parsed), *lengths)
    except (ValueError, TypeError, RuntimeError):
        return None


class _Kept(threading.local):
    def __init__(self) -> None:
        self.parser = simdjson.Parser()


_kept = _Kept()


def _parser(text: bytes) -> simdjson.Parser:
    return _kept.parser if len(text) <= KEPT_BYTES else simdjson.Parser()


def _array(value: simdjson.Array) -> Numbers:
    try:
        return np.frombuffer(value.as_buffer(of_type="i"), np.int64)
    except TypeError:
        return np.frombuffer(value.as_buffer(of_type="d"), np.float64)
