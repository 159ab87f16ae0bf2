"""What an asynchronous client does while it waits."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from anyio import sleep, to_thread

__all__ = ["in_thread", "sleep"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def in_thread(
    function: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Calls a function that takes long, while others go on."""
    return await to_thread.run_sync(lambda: function(*args, **named))
