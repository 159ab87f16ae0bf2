"""Writes that were undone because of another transaction, and the one place that repeats them."""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from app.store.errors import DatabaseBusy

ATTEMPTS = 4
LONGEST_PAUSE = 0.1
"""Seconds before the second attempt, at most; chance keeps two writers from meeting again."""

Given = ParamSpec("Given")
Result = TypeVar("Result")


class WriteConflict(DatabaseBusy):
    """A database server undid a write: it deadlocked, or could not be serialized with another."""


def retried(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Calls a function again whose write was undone, a few times.

    The function does nothing before its write that must not be done twice.
    """

    @wraps(function)
    def attempt(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        for number in range(1, ATTEMPTS):
            try:
                return function(*args, **kwargs)
            except WriteConflict:
                time.sleep(random.uniform(0.0, LONGEST_PAUSE * number))
        return function(*args, **kwargs)

    return attempt
