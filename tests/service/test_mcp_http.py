"""`traind mcp --http`: many agents, each with its own key, and foreign web pages kept out."""

import asyncio
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from app.store.keys import Scope
from tests.service.agents import TRAIND, called, refused, serving_http, text_of, using_http
from tests.service.conftest import Api, band, serving
from tests.service.pictures import file
from tests.service.test_auth import make
from tests.waiting import HANG_SECONDS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text()
SCOPES = dict(re.findall(r"^\| `(\w+)` \|.*\| (read|write|predict) \|$", DOCUMENT, re.MULTILINE))
JOB, MODEL = {"job": "job_1"}, {"model": "latest"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "list_jobs": {}, "show_job": JOB, "validate_job": {"spec": {}}, "submit_job": {"spec": {}},
    "wait_for_job": JOB, "cancel_job": JOB, "retry_job": JOB, "diagnose_job": JOB,
    "apply_suggestion": JOB, "show_curves": JOB, "list_models": {}, "show_model": MODEL,
    "compare_models": {"a": "latest", "b": "latest"}, "promote_model": MODEL,
    "roll_back_alias": {}, "predict": {"inputs": [[0]]}, "list_datasets": {},
    "add_table": {"name": "t", "csv": "a,b", "target": "b"},
}  # fmt: skip
ASKED = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("agents")) as api:
        api.publish()
        yield api


@pytest.fixture(scope="module")
def keys(guarded: Api) -> dict[str, str]:
    """A key that lacks one scope, by that scope."""
    plain = {Scope.READ, Scope.PREDICT, Scope.WRITE}
    return {
        lacking: make(guarded, *(plain - {lacking}))["Authorization"].removeprefix("Bearer ")
        for lacking in sorted(plain)
    }


@pytest.fixture(scope="module")
def url(guarded: Api, keys: dict[str, str]) -> Iterator[str]:
    """Where the tools are; the process itself has a good key in its environment."""
    environment = {"TRAIND_KEY": keys["predict"], "TRAIND_ALLOWED_HOSTS": "agents.example"}
    with serving_http(guarded.service.url, **environment) as url:
        yield url


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_call_does_what_its_own_key_may(url: str, keys: dict[str, str], mode: str) -> None:
    async def work(agent: Client) -> None:
        predicted = await called(agent, "predict", inputs=[band(3)])
        assert predicted["predictions"][0]["label"] == "class 3"
        picture = b64encode(file(Image.fromarray(np.array(band(7), np.uint8)))).decode()
        predicted = await called(agent, "predict", inputs=[picture], top_k=2)
        assert predicted["predictions"][0]["label"] == "class 7"
        assert len(predicted["predictions"][0]["others"]) == 1
        told = await refused(agent, "submit_job", spec={})
        assert "This needs a key with the scope write; this one has predict, read." in told

    using_http(url, keys["write"], work, mode)


def test_keys_of_calls_at_the_same_time_are_not_mixed(url: str, keys: dict[str, str]) -> None:
    async def asked(lacking: str) -> list[bool]:
        """Whether each of many predictions was refused for the key's scope."""
        headers = {"Authorization": f"Bearer {keys[lacking]}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=HANG_SECONDS) as http,
            Client(streamable_http_client(url, http_client=http)) as agent,
        ):
            calls = [agent.call_tool("predict", ARGUMENTS["predict"]) for _ in range(20)]
            return ["needs a key" in text_of(each) for each in await asyncio.gather(*calls)]

    async def run() -> list[list[bool]]:
        return await asyncio.gather(asked("predict"), asked("write"))

    assert asyncio.run(run()) == [[True] * 20, [False] * 20]


@pytest.mark.parametrize("key", [None, "traind_unknown_key"])
def test_nothing_is_done_without_a_good_key(guarded: Api, url: str, key: str | None) -> None:
    before = guarded.rows()

    async def work(agent: Client) -> None:
        for tool, arguments in ARGUMENTS.items():
            assert "(code: unauthorized)" in await refused(agent, tool, **arguments)
        with pytest.raises(MCPError, match="unauthorized"):
            await agent.read_resource("traind://presets")

    using_http(url, key, work)
    assert guarded.rows() == before


def test_a_key_that_cannot_be_one_is_refused_without_showing_it(url: str) -> None:
    async def work(agent: Client) -> None:
        with pytest.raises(MCPError, match="characters that no key has") as told:
            await agent.call_tool("list_jobs", {})
        assert "a b" not in str(told.value)

    using_http(url, "a b", work)


@pytest.mark.parametrize("tool", ARGUMENTS)
def test_each_tool_needs_the_scope_that_the_document_says(
    guarded: Api, url: str, keys: dict[str, str], tool: str
) -> None:
    before = guarded.rows()
    needed = SCOPES[tool]

    async def work(agent: Client) -> str:
        return await refused(agent, tool, **ARGUMENTS[tool])

    assert f"needs a key with the scope {needed}" in using_http(url, keys[needed], work)
    assert guarded.rows() == before


def test_every_tool_is_tried() -> None:
    assert set(ARGUMENTS) == set(SCOPES)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "rebound.example"}, 421),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({}, 200),
        ({"Host": "agents.example", "Origin": "https://agents.example"}, 200),
    ],
    ids=["host", "origin", "no origin", "other port", "program", "proxy"],
)
def test_foreign_web_pages_are_refused(url: str, headers: dict[str, str], status: int) -> None:
    answer = httpx.post(url, json=ASKED, headers=ACCEPT | headers)
    assert answer.status_code == status, answer.text


def listen(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What `traind mcp --http` says that must not start."""
    return subprocess.run(
        [str(TRAIND), "mcp", "--http", "--port", "0", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_service_without_keys_is_not_opened_to_others(api: Api) -> None:
    done = listen("--host", "0.0.0.0", "--url", api.service.url)  # noqa: S104
    assert done.returncode == 1
    assert "`traind keys create NAME --scope write`, or listen on 127.0.0.1" in done.stderr


def test_an_address_that_cannot_be_had_is_told_in_a_line(guarded: Api) -> None:
    done = listen("--host", "192.0.2.1", "--url", guarded.service.url)
    assert done.returncode == 1
    assert "traind mcp cannot listen at http://192.0.2.1:0" in done.stderr
    assert "Traceback" not in done.stderr


def test_agents_beyond_the_loopback_are_served_where_keys_are_asked_for(
    guarded: Api, keys: dict[str, str]
) -> None:
    async def work(agent: Client) -> None:
        assert (await called(agent, "list_models"))["models"]
        await refused(agent, "submit_job", spec={})

    with serving_http(guarded.service.url, "--host", "0.0.0.0") as everywhere:  # noqa: S104
        using_http(everywhere, keys["write"], work)
