"""The whole service on PostgreSQL, and a server that is killed and started again beneath it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import Client
from app.local import Service, running
from app.settings import Settings
from tests.calibrated import calibrated
from tests.postgresql import Server
from tests.postgresql import started as started_server
from tests.service.conftest import problem_of
from tests.service.test_main_job import DIGITS
from tests.waiting import ended, started, until

EPOCHS = 150
LONG = DIGITS | {"training": {"epochs": EPOCHS, "batch_size": 32, "checkpoint_seconds": 1}}
SHORT = DIGITS | {"training": {"epochs": 1}}
DOWN_SECONDS = 3.0
"""How long the server is away: each loop of the service meets it."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that may be killed."""
    yield from started_server()


@pytest.fixture(scope="module")
def service(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An API and a worker that share a database on it."""
    home, url = calibrated(tmp_path_factory.mktemp("home")), server.url(server.make())
    with running(Settings(home=home, port=0, database_url=url)) as service:
        yield service


def pids(service: Service) -> set[int]:
    assert all(each.poll() is None for each in service.processes.values())
    return {each.pid for each in service.processes.values()}


def test_a_service_goes_on_after_its_server_was_killed(service: Service, server: Server) -> None:
    with Client(service.url) as client, httpx.Client(base_url=service.url, timeout=30) as http:
        processes = pids(service)
        long = started(client, client.submit(LONG))
        key = {"Idempotency-Key": "again"}
        waiting = http.post("/jobs", json=SHORT, headers=key).json()

        server.kill()
        gone = time.monotonic()
        problem_of(http.post("/jobs", json=SHORT), 503, "database_unavailable")
        problem_of(http.get("/readyz"), 503, "database_unavailable")
        assert http.get("/healthz").status_code == 200
        while time.monotonic() < gone + DOWN_SECONDS:
            assert http.get(f"/jobs/{long['id']}").status_code == 503
            time.sleep(0.1)
        server.start()

        until(lambda: http.get("/readyz").status_code == 200)
        again = http.post("/jobs", json=SHORT, headers=key)
        assert (again.status_code, again.json()["id"]) == (200, waiting["id"])
        for job in (long, waiting):
            found = ended(client, job)
            assert found["status"] == "succeeded", found
        events = list(told(http, long["id"]))
        assert [each["id"] for each in events] == list(range(1, len(events) + 1))
        epochs = [each["data"]["epoch"] for each in events if each["kind"] == "epoch"]
        assert epochs[-1] == EPOCHS
        answer = http.post("/predict", json={"inputs": [[[0] * 8] * 8]})
        assert answer.status_code == 200, answer.text
        assert pids(service) == processes


def told(http: httpx.Client, job_id: str) -> Iterator[dict[str, Any]]:
    """What a job's log says, page after page."""
    after = 0
    while page := http.get(f"/jobs/{job_id}/events", params={"after": after}).json()["data"]:
        yield from page
        after = page[-1]["id"]


def test_it_trains_imports_and_serves(service: Service, tmp_path: Path) -> None:
    with Client(service.url) as client:
        job = ended(client, client.submit({"preset": "digits", "labels": {"a": "b"}}))
        assert job["status"] == "succeeded"
        assert [each["id"] for each in client.jobs(label="a:b")] == [job["id"]]
        assert client.predict([[0] * 64])[0]["label"]
        client.promote(job["model"], "production")
        assert [each["name"] for each in client.aliases()] == ["latest", "production"]
        rows = "".join(f"{n % 7},{n % 2}\n" for n in range(90))
        (tmp_path / "rows.csv").write_text("a,class\n" + rows)
        assert client.datasets.add("rows", tmp_path / "rows.csv")["status"] == "ready"
    assert not service.settings.home.joinpath("traind.db").exists()
