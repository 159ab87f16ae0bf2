"""While an image is decoded, or a large body is read, the event loop answers others."""

import asyncio
import base64
import io
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.api import inference_protocol, predict_body
from app.serving import decoding
from app.settings import Settings
from app.store import database
from tests import runs
from tests.service.conftest import banded_model
from tests.unit.api.test_gate import running

LIMIT = 30
"""Seconds after which held-up work goes on, so that a blocked loop fails instead of hanging."""


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (28, 28), 200).save(buffer, "PNG")
    return buffer.getvalue()


def publish(home: Path) -> None:
    opened = database.connect(Settings(home=home).database)
    with opened.write() as connection:
        lease = runs.claim(connection)
        assert lease is not None
        runs.succeed(connection, lease, banded_model())
    opened.close()


NUMBERS = [[0.5] * 784] * 900
TENSOR = {"name": "pixels", "datatype": "FP32", "shape": [900, 784], "data": NUMBERS}
SLOW: dict[str, tuple[str, dict[str, Any], object, str]] = {
    "image in JSON": (
        "/predict",
        {"json": {"inputs": base64.b64encode(png()).decode()}},
        decoding,
        "from_image",
    ),
    "image as the body": (
        "/predict",
        {"content": png(), "headers": {"Content-Type": "image/png"}},
        decoding,
        "from_image",
    ),
    "many numbers": ("/predict", {"json": {"inputs": NUMBERS}}, predict_body, "_parsed"),
    "a large tensor": (
        "/v2/models/latest/infer",
        {"json": {"inputs": [TENSOR]}},
        inference_protocol,
        "pixels",
    ),
}


@pytest.mark.parametrize("case", SLOW.values(), ids=SLOW.keys())
def test_others_are_answered_while_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[str, dict[str, Any], object, str]
) -> None:
    path, sent, module, name = case
    entered, released = threading.Event(), threading.Event()
    whole = getattr(module, name)

    def slow(*arguments: Any) -> Any:
        entered.set()
        released.wait(LIMIT)
        return whole(*arguments)

    async def play() -> None:
        async with running(tmp_path) as client:
            assert (await client.post("/jobs", json={})).status_code == 201
            publish(tmp_path)
            monkeypatch.setattr(module, name, slow)
            task = asyncio.create_task(client.post(path, **sent))
            assert await asyncio.to_thread(entered.wait, LIMIT)
            assert (await client.get("/healthz")).status_code == 200
            raw = {"content": bytes(784), "headers": {"Content-Type": "application/octet-stream"}}
            assert (await client.post("/predict", **raw)).status_code == 200
            assert not task.done()
            assert not released.is_set()
            released.set()
            answer = await task
            assert answer.status_code == 200, answer.text

    asyncio.run(play())
