"""What a synchronous client does while it waits: nothing else."""

from collections.abc import Callable
from time import sleep
from typing import ParamSpec, TypeVar

__all__ = ["in_thread", "sleep"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_thread(
    function: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Calls a function that takes long."""
    return function(*args, **named)
