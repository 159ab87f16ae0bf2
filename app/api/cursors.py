"""Cursors of pages: the sort key of a page's last item, so that they outlive the item itself."""

import math
from collections.abc import Callable
from typing import Any

from fastapi.exceptions import RequestValidationError

from app.api.parameters import MAX_INTEGER

Reader = Callable[[str], str | int | float]
"""Reads one value of a sort key from its text; raises ValueError where it is none."""


def cursor(*key: str | int | float) -> str:
    """The sort key as text, such as `train_loss:13500`. Only the first value may hold a colon."""
    return ":".join(map(str, key))


def sort_key(after: str | None, *readers: Reader) -> tuple[Any, ...] | None:
    """The sort key that a client sent back, each value read by its reader; None without one.

    Raises:
        RequestValidationError: this list gave no such cursor.
    """
    if after is None:
        return None
    texts = after.rsplit(":", len(readers) - 1) if len(readers) > 1 else [after]
    try:
        return tuple(read(text) for read, text in zip(readers, texts, strict=True))
    except ValueError as error:
        wrong = {"type": "cursor", "loc": ("query", "after"), "msg": "must be the `next` of a page"}
        raise RequestValidationError([wrong]) from error


def id_of(prefix: str) -> Reader:
    """Reads an id, such as one that begins with `job_`."""

    def read(text: str) -> str:
        if not text.startswith(prefix):
            raise ValueError(text)
        return text

    return read


def number(text: str) -> float:
    """Reads a finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def count(text: str) -> int:
    """Reads a whole number from 0 that the database can hold."""
    if not text.isdecimal() or int(text) > MAX_INTEGER:
        raise ValueError(text)
    return int(text)
