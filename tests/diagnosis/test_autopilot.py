"""The service itself, its worker included: from the worst specs to a healthy model, and what it
says while a run goes on."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.client import Client
from app.local import Service
from tests.diagnosis.worst import WORST, spec_of

ENDED = {"succeeded", "failed", "cancelled"}
MOST = 4
HEALTHY_ACCURACY = 0.9
"""Of a healthy network on digits."""


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as http:
        yield http


def to_the_end(http: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    """The jobs of a chain when the last of them has ended."""
    while True:
        last = http.get(f"/jobs/{job_id}", params={"wait": 30}).json()
        if last["status"] not in ENDED:
            continue
        if last["spec"]["autopilot"] and not has_spoken(http, job_id):
            continue
        last = http.get(f"/jobs/{job_id}").json()
        newest = last["chain"][-1]["id"] if last["chain"] else job_id
        if newest == job_id:
            found: list[dict[str, Any]] = last["chain"] or [last]
            return found
        job_id = newest


def has_spoken(http: httpx.Client, job_id: str) -> bool:
    """Whether autopilot has said what follows: it does soon after the end."""
    found = http.get(f"/jobs/{job_id}/events", params={"limit": 1000}).json()["data"]
    return any(each["kind"] == "autopilot" and "of" not in each["data"] for each in found)


@pytest.mark.timeout(1800)
def test_the_worst_specs_end_with_a_healthy_model(
    http: httpx.Client, repeated: Callable[[int], int]
) -> None:
    names = list(WORST)[-max(2, repeated(len(WORST))) :]
    for name in names:
        job = http.post("/jobs", json=spec_of(name) | {"autopilot": {"max_jobs": MOST}}).json()
        chain = to_the_end(http, job["id"])
        said = [
            (http.get(f"/jobs/{each['id']}/diagnosis").json()["verdict"], each["id"])
            for each in chain
        ]
        print(f"{name}: {[code for code, _ in said]}")
        assert len(chain) <= MOST
        assert said[-1][0] == "healthy", (name, said)
        best = http.get(f"/models/best-{chain[0]['id']}").json()
        assert best["metrics"]["test_accuracy"] > HEALTHY_ACCURACY


def test_findings_are_said_while_the_run_goes_on_and_its_end_names_the_cause(
    http: httpx.Client, service: Service
) -> None:
    spec = {
        "dataset": {"name": "digits"},
        "model": {"hidden": [64] * 8, "activation": "sigmoid"},
        "training": {"epochs": 2000, "batch_size": 32},
    }
    job_id = http.post("/jobs", json=spec).json()["id"]
    with Client(service.url) as client:
        for message in client.watch(job_id):
            if message.kind == "finding":
                break
    said = http.get(f"/jobs/{job_id}/diagnosis").json()
    assert (said["final"], said["verdict"]) == (False, "vanishing_gradients")
    assert message.data["data"]["code"] == "vanishing_gradients"
    http.post(f"/jobs/{job_id}/cancel")
    to_the_end(http, job_id)
    again = http.post(f"/jobs/{job_id}/retry", json={"apply": "suggestion"}).json()
    assert again["spec"]["model"]["activation"] == "relu"
    http.post(f"/jobs/{again['id']}/cancel")


def test_a_run_that_breaks_is_explained_and_its_rate_tested(http: httpx.Client) -> None:
    spec = {
        "dataset": {"name": "digits"},
        "training": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 500.0}},
    }
    job_id = http.post("/jobs", json=spec | {"training": spec["training"]}).json()["id"]
    to_the_end(http, job_id)
    said = http.get(f"/jobs/{job_id}/diagnosis").json()
    assert said["verdict"] == "learning_rate_too_high"
    assert said["lr_range"]["recommended"] < 0.5
    page = http.get(f"/jobs/{job_id}/explain", params={"format": "html"}).text
    assert "Learning rate too high" in page
    assert page.count("<svg") >= 1
    tested = http.post(f"/jobs/{job_id}/lr-range").json()["id"]
    to_the_end(http, tested)
    found = http.get(f"/jobs/{job_id}/lr-range").json()
    assert found["status"] == "succeeded"
    assert found["recommended"] == said["lr_range"]["recommended"]
