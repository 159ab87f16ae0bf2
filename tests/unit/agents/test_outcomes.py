"""What an agent is told of errors, and in which form it gets answers."""

import asyncio
from typing import Any

import httpx
import pytest
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError

from app.client import Problem
from app.mcp.answers import Answer
from app.mcp.outcomes import resource_of, tool_of

REFUSED = Problem(
    422,
    {
        "code": "invalid_request",
        "detail": "/training/epochs: must be above 0.",
        "errors": [{"pointer": "/training/epochs", "detail": "must be above 0"}],
    },
)
UNREACHABLE = httpx.ConnectError(
    "refused", request=httpx.Request("GET", "http://127.0.0.1:8000/jobs")
)


class Measured(Answer):
    value: float | None = None
    name: str = "loss"


def failing(error: Exception) -> Any:
    def tool() -> Measured:
        """Fails."""
        raise error

    return tool


def failing_later(error: Exception) -> Any:
    async def tool() -> Measured:
        """Fails."""
        raise error

    return lambda: asyncio.run(tool_of(tool)())


@pytest.mark.parametrize("form", ["sync", "async"])
def test_a_refusal_names_field_fix_and_code(form: str) -> None:
    run = tool_of(failing(REFUSED)) if form == "sync" else failing_later(REFUSED)
    with pytest.raises(ToolError) as told:
        run()
    assert str(told.value).splitlines() == [
        "/training/epochs: must be above 0.",
        "(code: invalid_request)",
    ]


def test_a_service_that_does_not_run_is_told_in_a_line_with_what_to_do() -> None:
    with pytest.raises(ToolError) as told:
        tool_of(failing(UNREACHABLE))()
    message = "No traind answers at http://127.0.0.1:8000 (refused); `traind serve` starts one."
    assert str(told.value) == message


def test_a_fault_of_traind_itself_is_not_taken_for_a_refusal() -> None:
    with pytest.raises(KeyError):
        tool_of(failing(KeyError("id")))()


@pytest.mark.parametrize(("status", "kind"), [(404, ResourceNotFoundError), (409, ResourceError)])
def test_a_resource_that_is_not_there_is_told_apart(status: int, kind: type[Exception]) -> None:
    problem = Problem(status, {"code": "some_code", "detail": "It is not there."})
    with pytest.raises(ResourceError) as told:
        resource_of(failing(problem))()
    assert type(told.value) is kind
    assert "It is not there." in str(told.value)


def test_an_answer_has_no_spaces_and_no_nulls() -> None:
    result = tool_of(Measured)()
    assert [content.text for content in result.content] == ['{"name":"loss"}']
    assert result.structured_content == {"name": "loss"}
