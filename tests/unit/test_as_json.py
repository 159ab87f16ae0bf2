"""What the Python client sends as JSON, and how it tells what JSON has no form for."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from traind import BadInput, Client, Problem
from traind.as_json import encoded
from traind.inputs import parts

Calls = Callable[[Client, dict[str, Any]], Any]


def answering(requests: list[httpx.Request], monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client whose service refuses everything, and keeps what it was asked."""

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(422, json={"detail": "no"})

    client = Client("http://traind")
    own = httpx.Client(base_url="http://traind", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(client._connection, "_http", own)
    return client


def test_numbers_of_numpy_are_sent_as_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[httpx.Request] = []
    optimizer = {"lr": np.float32(0.01), "weight_decay": torch.tensor(0.1)}
    spec = {"training": {"epochs": np.int64(3), "optimizer": optimizer}}
    with (
        answering(requests, monkeypatch) as client,
        pytest.raises(Problem, match="no"),
    ):
        client.train(spec, name="ü", labels={}, deterministic=np.True_, sizes=np.array([5, 6]))
    assert json.loads(requests[0].content) == {
        "training": {"epochs": 3, "optimizer": {"lr": 0.01, "weight_decay": 0.1}},
        "name": "ü",
        "labels": {},
        "deterministic": True,
        "sizes": [5, 6],
    }
    assert requests[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("call", [Client.train, Client.validate])
@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), np.array([1, np.nan])])
def test_a_field_that_is_not_finite_is_named(
    call: Calls, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[httpx.Request] = []
    with (
        answering(requests, monkeypatch) as client,
        pytest.raises(BadInput, match=r"^/training/optimizer/lr(/1)? is (nan|inf): "),
    ):
        call(client, {"training": {"optimizer": {"name": "sgd", "lr": value}}})
    assert not requests


def test_pixels_that_have_no_form_are_named() -> None:
    pixels = np.zeros((3, 2, 2))
    pixels[2, 1, 0] = np.inf
    imaginary = np.ones((3, 2, 2), np.complex64)
    for given, reason in ((pixels, "/inputs/2/1/0 is inf"), (imaginary, "/0/0/0 is a complex")):
        [part] = parts(given, (1, 2, 2))
        with pytest.raises(BadInput, match=reason):
            encoded({"inputs": part})


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"pixel_range": (0.0, float("inf"))}, "^/pixel_range/1 is inf"),
        ({"day": datetime(2024, 1, 1, tzinfo=UTC)}, "^/day is a datetime"),
        ({"day": np.datetime64("12024-01-01")}, "^/day is a datetime64"),
        ({"day": [np.datetime64("2024-01-01")]}, "^/day/0 is a date,"),
        ({"lasted": np.timedelta64(3, "s")}, "^/lasted is a timedelta64"),
        ({"labels": {"a": {1, 2}}}, "^/labels/a is a set"),
        ({"name": "caf\udce9"}, r"^/name is 'caf\\udce9'"),
        ({"labels": {("a",): 1}}, r"^/labels has the name \('a',\)"),
        ({float("nan"): 1}, "^What is sent has the name nan"),
        ({"a": torch.tensor(1.0).bfloat16()}, "BFloat16"),
        ({"a": np.ma.masked}, "cannot be sent as JSON"),
        ({"a": 10**5000}, "digits"),
    ],
)
def test_what_has_no_form_in_json_is_named(document: Any, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as refused:
        encoded(document)
    str(refused.value).encode()


def test_a_document_that_holds_itself_is_refused() -> None:
    document: list[Any] = []
    document.append(document)
    with pytest.raises(BadInput, match="Circular"):
        encoded(document)
