"""Cuts what is large out of JSON that msgspec has read: the rest is read strictly in microseconds.

msgspec keeps the last value of a name that comes twice; `json_text` refuses it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

EMPTY = b"[]"


def without(text: bytes, values: Sequence[msgspec.Raw]) -> tuple[bytes, int]:
    """The text with `[]` in place of the values that msgspec found in it, and their number.

    Values come in the text's order. Those that are no part of it, such as defaults, do not count.
    """
    if not values:
        return text, 0
    begin = _address(text)
    pieces, end = [], 0
    for value in values:  # msgspec's Raw is a view of the text
        start = _address(value) - begin
        if end <= start < len(text):
            pieces.append(text[end:start])
            end = start + memoryview(value).nbytes
    return EMPTY.join([*pieces, text[end:]]), len(pieces)


def _address(content: Any) -> int:
    address: int = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    return address
