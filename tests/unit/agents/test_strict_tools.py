"""An argument that a tool does not know is refused."""

import asyncio
from typing import Any

import pytest
from mcp import Client
from mcp.types import TextContent

from app.client import Client as Service
from app.mcp.connection import with_own_key
from app.mcp.server import TOOLS, make_server


def answered(tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    """Whether a call was refused, and its text. No service is there to ask."""

    async def call() -> tuple[bool, str]:
        with Service("http://127.0.0.1:9") as service:
            async with Client(make_server(with_own_key(service))) as agent:
                answer = await agent.call_tool(tool, arguments)
                (content,) = answer.content
                assert isinstance(content, TextContent)
                return answer.is_error, content.text

    return asyncio.run(call())


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        (
            "list_jobs",
            {"limit": 3, "model": "x"},
            "the arguments are status, label, dataset, limit.",
        ),
        ("show_job", {"model": "x"}, "the arguments are job."),
    ],
)
def test_unknown_arguments_are_refused_and_the_known_ones_are_listed(
    tool: str, arguments: dict[str, Any], told: str
) -> None:
    assert answered(tool, arguments) == (True, f"{tool}: 'model' is not known here; {told}")


@pytest.mark.parametrize(
    ("tool", "arguments"), [("list_jobs", {"limit": 3}), ("list_datasets", {"placeholder": "x"})]
)
def test_known_arguments_come_to_the_service(tool: str, arguments: dict[str, Any]) -> None:
    """And whatever comes to a tool without arguments: some clients fill them in."""
    refused, text = answered(tool, arguments)
    assert refused
    assert "not known here" not in text


def test_every_schema_with_arguments_says_that_there_are_no_others() -> None:
    async def listed() -> list[dict[str, Any]]:
        with Service("http://127.0.0.1:9") as service:
            server = make_server(with_own_key(service))
            return [tool.input_schema for tool in await server.list_tools()]

    schemas = asyncio.run(listed())
    assert len(schemas) == len(TOOLS)
    assert all(
        schema["additionalProperties"] is False for schema in schemas if schema["properties"]
    )
