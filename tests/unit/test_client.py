"""The Python client, against a server that says exactly what the test wants."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import traind
from app.cli import error_lines
from app.client import Client

STREAM = (
    b": keep-alive\n\n"
    b'id: 1\nevent: state\ndata: {"message": "queued", "data": {"status": "queued"}}\n\n'
    b": keep-alive\n\n"
    b'id: 2\nevent: state\ndata: {"message": "succeeded", "data": {"status": "succeeded"}}\n\n'
)


def test_a_stream_with_silences_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=STREAM)

    with Client("http://traind") as client:
        silent = httpx.Client(base_url="http://traind", transport=httpx.MockTransport(answer))
        monkeypatch.setattr(client._connection, "_http", silent)
        messages = [message.data["message"] for message in client.watch("job_1")]
    assert messages == ["queued", "succeeded"]


def test_a_file_whose_name_is_not_utf_8_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        return httpx.Response(422, json={"detail": "enough"})

    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    file.touch()
    with traind.Client("http://traind") as client:
        told = httpx.Client(base_url="http://traind", transport=httpx.MockTransport(answer))
        monkeypatch.setattr(client._connection, "_http", told)
        with pytest.raises(traind.Problem, match="enough"):
            client.datasets.add(file)
    sent = json.loads(asked[0])
    assert (sent["name"], sent["file_name"]) == ("caf", "caf\ufffd.csv")


ASKING: dict[str, Callable[[traind.Client], object]] = {
    "send": lambda client: client.job("job_1"),
    "send_once": lambda client: client._connection.send_once("GET", "/readyz"),
    "messages": lambda client: list(client._connection.messages("/jobs/job_1/events")),
}


@pytest.mark.parametrize("way", ASKING)
@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout])
def test_a_service_that_is_not_there_is_named_with_what_helps(
    way: str, error: type[httpx.TransportError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise error("refused")

    with traind.Client("http://traind:8000/base", patience=0.01) as client:
        nobody = httpx.Client(base_url=client.url, transport=httpx.MockTransport(fail))
        monkeypatch.setattr(client._connection, "_http", nobody)
        with pytest.raises(error) as told:
            ASKING[way](client)
    assert str(told.value) == (
        "No traind answers at http://traind:8000 (refused): `traind serve` starts one; TRAIND_URL "
        "or Client(url) names another."
    )
    assert str(told.value.__cause__) == "refused"
    line = error_lines.told(told.value)
    assert line == "No traind answers at http://traind:8000 (refused); `traind serve` starts one."
