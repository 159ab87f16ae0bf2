"""What an agent is told of a call: a small result, or in words what is wrong and how to mend it."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp.types import CallToolResult, TextContent

from app.cli.error_lines import told
from app.client import Problem
from app.mcp.answers import Answer


def tool_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a tool: its answer in compact JSON, the same as structured content.

    The SDK would indent the text, and send nulls.

    Raises:
        ToolError: the service refused the call, or cannot be asked.
    """
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def run_later(*arguments: Any, **named: Any) -> CallToolResult:
            with _errors_as(ToolError):
                return _result(await function(*arguments, **named))

        return run_later

    @wraps(function)
    def run(*arguments: Any, **named: Any) -> CallToolResult:
        with _errors_as(ToolError):
            return _result(function(*arguments, **named))

    return run


def resource_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as what reads a resource.

    Raises:
        ResourceNotFoundError: the service knows no such thing.
        ResourceError: the service refused the request, or cannot be asked.
    """

    @wraps(function)
    def read(*arguments: Any, **named: Any) -> Any:
        with _errors_as(ResourceError):
            try:
                return function(*arguments, **named)
            except Problem as problem:
                if problem.status == 404:
                    raise ResourceNotFoundError(in_words(problem)) from problem
                raise

    return read


def in_words(error: Exception) -> str | None:
    """What happened, a line for each field that is wrong; None for a fault of traind."""
    message = told(error)
    if message is not None and isinstance(error, Problem):
        return f"{message}\n(code: {error.code})"
    return message


@contextmanager
def _errors_as(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except (ToolError, ResourceError):
        raise
    except Exception as error:
        message = in_words(error)
        if message is None:
            raise
        raise kind(message) from error


def _result(answer: Answer) -> CallToolResult:
    text = TextContent(type="text", text=answer.model_dump_json(exclude_none=True))
    structured = answer.model_dump(mode="json", exclude_none=True)
    return CallToolResult(content=[text], structured_content=structured)
