"""Agents in tests: the SDK's own client, against `traind mcp` as a process of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

Answer = TypeVar("Answer")
TRAIND = Path(sys.executable).with_name("traind")


def over_stdio(url: str, key: str = "") -> StdioServerParameters:
    """How an agent starts the server for a service."""
    environment = {"TRAIND_URL": url} | ({"TRAIND_KEY": key} if key else {})
    return StdioServerParameters(command=str(TRAIND), args=["mcp"], env=environment)


@contextmanager
def serving_http(url: str, *arguments: str, **environment: str) -> Iterator[str]:
    """`traind mcp --http` before a service; gives the URL that it prints."""
    with subprocess.Popen(
        [str(TRAIND), "mcp", "--http", "--port", "0", "--url", url, *arguments],
        env=os.environ | environment, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert "Agents reach traind at " in line
            yield line.split()[4].removesuffix(".")
        finally:
            process.terminate()


def using(server: StdioServerParameters, work: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """What the work gives that an agent does over stdio."""

    async def run() -> Answer:
        async with Client(server) as client:
            return await work(client)

    return asyncio.run(run())


def using_http(
    url: str, key: str | None, work: Callable[[Client], Awaitable[Answer]], mode: str = "auto"
) -> Answer:
    """What the work gives that an agent with this key does over HTTP."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def run() -> Answer:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            return await work(client)

    return asyncio.run(run())


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer of a tool that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """What an agent is told by a tool that must fail."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, text_of(result)
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    """The text of a tool's answer."""
    (content,) = result.content
    assert content.type == "text"
    return content.text
