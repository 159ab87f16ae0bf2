"""Numbers in lists in JSON, straight into an array.

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

OPENING = ord("[")

Numbers = NDArray[np.int64] | NDArray[np.float64]


def array(text: bytes) -> Numbers | None:
    """The numbers of a text that is a list of them, or of lists of equal length, however deep."""
    try:
        parsed = _parser(text).parse(text)
        if not isinstance(parsed, simdjson.Array):
            return None
        lists: list[Any] = [parsed]
        shape, count = [len(parsed)], 1
        while isinstance(lists[0][0], simdjson.Array):
            lists = [each for one in lists for each in one]
            lengths = {len(each) for each in lists}
            if len(lengths) != 1:
                return None
            shape += lengths
            count += len(lists)
        # NumPy counts four times as fast as bytes.count.
        opened = np.count_nonzero(np.frombuffer(text, np.uint8) == OPENING)
        if opened != count:  # a list among the numbers, of which the array would not tell
            return None
        return _array(parsed).reshape(shape)
    except (ValueError, TypeError, IndexError, RuntimeError):
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
