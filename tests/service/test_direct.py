"""Hot routes say the same directly (app/direct.py) and by ASGI's messages."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.direct import MOST_BYTES
from tests.service.conftest import Api, band

VOLATILE = {"date", "x-request-id", "connection"}
JSON, RAW = "application/json", "application/octet-stream"
ONE = json.dumps({"inputs": [band(3)]}).encode()
TENSOR = {"name": "pixels", "datatype": "FP32", "shape": [1, 28, 28], "data": band(5)}


def tensor(**others: Any) -> bytes:
    return json.dumps({"inputs": [TENSOR | others]}).encode()


REQUESTS = {
    "numbers": ("/predict", JSON, ONE, 200),
    "a query": ("/predict?top_k=2&model=latest", JSON, ONE, 200),
    "a name in the path": ("/models/latest/predict", JSON, ONE, 200),
    "bytes": ("/predict", RAW, np.array(band(4), np.uint8).tobytes(), 200),
    "many": ("/predict", RAW, np.array([band(4)] * 300, np.uint8).tobytes(), 200),
    "a tensor": ("/v2/models/latest/infer", JSON, tensor(), 200),
    "no JSON": ("/predict", JSON, b"{", 422),
    "nothing": ("/predict", JSON, b"", 422),
    "another type": ("/predict", "text/plain", b"hello", 415),
    "a wrong size": ("/predict", RAW, b"x" * 785, 422),
    "a wrong query": ("/predict?top_k=none", JSON, ONE, 422),
    "an unknown parameter": ("/predict?topk=2", JSON, ONE, 422),
    "a parameter of a tensor": ("/v2/models/latest/infer?top_k=2", JSON, tensor(), 400),
    "no such model": ("/models/none/predict", JSON, ONE, 404),
    "no such tensor": ("/v2/models/latest/infer", JSON, tensor(name="x"), 400),
}


def in_pieces(content: bytes) -> Iterator[bytes]:
    """As a client sends what has no length: in chunks, which is unusual."""
    yield content


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_say_the_same(api: Api, name: str) -> None:
    api.publish()
    path, kind, content, status = REQUESTS[name]
    assert len(content) <= MOST_BYTES, "short enough to be answered directly"
    given = {"Content-Type": kind}
    direct = api.http.post(path, content=content, headers=given)
    by_messages = api.http.post(path, content=in_pieces(content), headers=given)
    assert direct.status_code == by_messages.status_code == status, direct.text
    assert direct.content == by_messages.content
    kept = [
        {name: value for name, value in each.headers.items() if name not in VOLATILE}
        for each in (direct, by_messages)
    ]
    assert kept[0] == kept[1]
    assert ("x-request-id" in direct.headers) == ("x-request-id" in by_messages.headers)


@pytest.mark.parametrize("path", ["/predict", "/models/x/predict", "/v2/models/x/infer"])
def test_the_service_answers_hot_routes_directly(api: Api, path: str) -> None:
    """A refusal by the head shows the way: direct ones wait for the body, ASGI's come at once."""
    address = ("127.0.0.1", api.service.settings.port)
    head = f"POST {path} HTTP/1.1\r\nHost: foreign.example\r\n".encode()
    with socket.create_connection(address, timeout=60) as chunked:
        chunked.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        assert chunked.recv(65536).startswith(b"HTTP/1.1 403 ")
    with socket.create_connection(address, timeout=60) as direct:
        direct.sendall(head + b"Content-Length: 2\r\n\r\n")
        for _ in range(5):  # the service has read the head by then
            assert api.http.get("/healthz").is_success
        direct.setblocking(False)
        with pytest.raises(BlockingIOError):
            direct.recv(65536)
        direct.settimeout(60)
        direct.sendall(b"{}")
        assert direct.recv(65536).startswith(b"HTTP/1.1 403 ")
