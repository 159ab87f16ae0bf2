"""Webhooks from a job to a receiver, with a real API, a real worker, and servers that fail."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import update

from app.client import Client, Problem
from app.local import Service, running
from app.store import database, outbox, tables
from app.store.outbox import Work
from tests import databases
from tests.receiver import Received, Receiver, allow, receiving
from tests.shared import empty
from tests.waiting import ended, until

QUICK = {
    "dataset": {"name": "digits"},
    "model": {"hidden": [8]},
    "training": {"epochs": 1, "batch_size": 64},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operator") / "webhooks.toml"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, file: Path) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with running(databases.settings(home, webhooks=allow(file))) as service:
        yield service


@pytest.fixture
def receiver(file: Path) -> Iterator[Receiver]:
    """A receiver that the operator has allowed as `ci`."""
    with receiving() as receiver:
        allow(file, ci=receiver.port)
        yield receiver


def submit(client: Client, *webhooks: str, **fields: Any) -> dict[str, Any]:
    return client.submit(QUICK | {"webhooks": list(webhooks)} | fields)


def told(service: Service, job: dict[str, Any]) -> list[dict[str, Any]]:
    answer = httpx.get(f"{service.url}/jobs/{job['id']}/events", params={"limit": 1000})
    return [each for each in answer.json()["data"] if each["kind"] == "webhook"]


def processes(service: Service) -> list[psutil.Process]:
    """The processes of the worker that send webhooks."""
    found = []
    for each in psutil.Process(service.processes["worker"].pid).children():
        with suppress(psutil.Error):  # it has just ended
            found += [each] if "worker.deliveries" in each.cmdline() else []
    return found


def make_due(service: Service) -> None:
    """As if the wait of every delivery were over."""
    with closing(database.connect(service.settings.database)) as opened, opened.write() as writing:
        writing.execute(update(tables.outbox).values(due_at=0))


def test_the_end_of_a_job_is_told_and_stands_in_its_events(
    client: Client, service: Service, receiver: Receiver
) -> None:
    job = ended(client, submit(client, "ci", name="told of"))
    (event,) = until(lambda: told(service, job))
    assert event["message"] == "webhook: job.succeeded to ci: delivered, answered 204"
    (came,) = receiver.received
    assert came.event["type"] == "job.succeeded"
    data = came.event["data"]
    assert data["job"]["id"] == job["id"]
    assert data["job"]["model"] == job["model"]
    assert data["job"]["ended_at"] == job["ended_at"]
    assert data["links"]["job"] == f"/jobs/{job['id']}"
    model = client.model(job["model"])
    again = ended(client, submit(client, name="told of"))
    assert client.model(again["model"])["weights_sha256"] == model["weights_sha256"]


def test_jobs_that_fail_and_that_are_cancelled_are_told_of(
    client: Client, receiver: Receiver
) -> None:
    steep = {"epochs": 1, "optimizer": {"name": "sgd", "lr": 1e3, "momentum": 0.99}}
    ended(client, submit(client, "ci", training=steep | {"loss": {"name": "mse"}}))
    running = submit(client, training={"epochs": 1000})
    waiting = submit(client, "ci")
    client.cancel(waiting["id"])
    client.cancel(running["id"])
    until(lambda: len(receiver.received) == 2)
    assert sorted(receiver.types) == ["job.cancelled", "job.failed"]


def test_a_receiver_that_was_down_hears_of_it_later(
    client: Client, service: Service, file: Path
) -> None:
    with receiving() as free:
        port = free.port
    allow(file, ci=port)
    job = ended(client, submit(client, "ci"))
    (event,) = until(lambda: told(service, job))
    assert "no answer: ConnectError" in event["message"]
    assert event["message"].endswith("attempt 2 of 11 in 5 s")
    with receiving(port) as receiver:
        make_due(service)
        until(lambda: len(told(service, job)) == 2)
        assert receiver.types == ["job.succeeded"]
    assert told(service, job)[-1]["data"]["delivered"] is True


def test_a_slow_receiver_holds_up_no_job_and_no_other_receiver(
    client: Client, service: Service, file: Path
) -> None:
    answered = threading.Event()

    def slow(_: Received) -> tuple[int, dict[str, str]]:
        answered.wait()
        return 204, {}

    with receiving(answer=slow) as sleeper, receiving() as receiver:
        allow(file, slow=sleeper.port, ci=receiver.port)
        try:
            for _ in range(6):
                job = ended(client, submit(client, "slow", "ci"))
                until(lambda job=job: told(service, job))
            assert receiver.types == ["job.succeeded"] * 6
            assert len(sleeper.received) == 4
        finally:
            answered.set()
        until(lambda: len(told(service, job)) == 2)
        assert sleeper.types == ["job.succeeded"] * 6


@pytest.mark.parametrize("who", ["worker", "process"])
def test_what_was_sent_but_not_recorded_is_sent_again_with_its_id(
    client: Client, service: Service, receiver: Receiver, who: str
) -> None:
    def die(_: Received) -> tuple[int, dict[str, str]]:
        receiver.answer = lambda _: (204, {})
        (sending,) = processes(service)
        victim = sending if who == "process" else psutil.Process(service.processes["worker"].pid)
        victim.kill()
        sending.wait()  # before the answer could reach it
        return 204, {}

    receiver.answer = die
    job = ended(client, submit(client, "ci"))
    until(lambda: receiver.received and not receiver.is_answering)
    if who == "worker":
        service.processes["worker"].wait()
        service.start("worker")
    else:
        make_due(service)
    until(lambda: told(service, job))
    first, second = receiver.received
    assert first.id == second.id
    assert first.body == second.body
    assert first.event == second.event
    assert [each["data"]["attempt"] for each in told(service, job)] == [2]


def test_a_worker_that_stops_leaves_what_it_sends_to_the_next(
    client: Client, service: Service, receiver: Receiver
) -> None:
    answered = threading.Event()

    def slow(_: Received) -> tuple[int, dict[str, str]]:
        answered.wait()
        return 204, {}

    receiver.answer = slow
    job = ended(client, submit(client, "ci"))
    until(lambda: receiver.received)
    receiver.answer = lambda _: (204, {})
    service.processes["worker"].terminate()
    assert service.processes["worker"].wait() == 0
    answered.set()
    assert told(service, job) == []
    with closing(database.connect(service.settings.database)) as opened, opened.read() as reading:
        assert outbox.due(reading) == {Work.WEBHOOK}
    service.start("worker")
    until(lambda: told(service, job))
    assert len({each.id for each in receiver.received}) == 1


def test_a_destination_that_was_removed_is_not_called(
    client: Client, service: Service, receiver: Receiver, file: Path
) -> None:
    running = client.submit(QUICK | {"training": {"epochs": 1000}})
    waiting = submit(client, "ci")
    allow(file, other=receiver.port)
    client.cancel(waiting["id"])
    client.cancel(running["id"])
    (event,) = until(lambda: told(service, waiting))
    assert "TRAIND_WEBHOOKS has no such destination any more" in event["message"]
    allow(file, ci=receiver.port)
    make_due(service)
    until(lambda: len(told(service, waiting)) == 2)
    assert receiver.types == ["job.cancelled"]


def test_an_unknown_destination_is_refused_before_anything_is_stored(
    client: Client, receiver: Receiver, file: Path
) -> None:
    allow(file, ci=receiver.port, chat=receiver.port)
    before = client.jobs(limit=1)
    with pytest.raises(Problem) as caught:
        submit(client, "ci", "http://127.0.0.1/")
    (wrong,) = caught.value.errors
    assert wrong["pointer"] == "/webhooks/1"
    assert "the operator allows chat, ci" in wrong["detail"]
    assert client.jobs(limit=1) == before


def test_a_retry_names_the_destination_that_was_removed_meanwhile(
    client: Client, service: Service, receiver: Receiver, file: Path
) -> None:
    job = ended(client, submit(client, "ci"))
    until(lambda: told(service, job))  # or it would come in another test
    allow(file, other=receiver.port)
    for route, pointer in (("retry", "/patch/webhooks/0"), ("lr-range", "/webhooks/0")):
        refused = httpx.post(f"{service.url}/jobs/{job['id']}/{route}", json={})
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        (wrong,) = refused.json()["errors"]
        assert wrong["pointer"] == pointer
        assert "the operator allows other" in wrong["detail"]
    patch = {"patch": {"webhooks": ["other"]}}
    again = httpx.post(f"{service.url}/jobs/{job['id']}/retry", json=patch).json()
    assert again["spec"]["webhooks"] == ["other"]


def test_a_file_that_was_spoilt_refuses_jobs_with_webhooks_alone(
    client: Client, file: Path
) -> None:
    file.write_text("nonsense")
    with pytest.raises(Problem) as caught:
        submit(client, "ci")
    assert caught.value.status == 500
    assert caught.value.code == "webhooks_unreadable"
    assert str(file) not in str(caught.value)
    assert client.cancel(submit(client)["id"])


def test_jobs_of_a_key_are_told_of(service: Service, receiver: Receiver) -> None:
    made = subprocess.run(
        [
            *(Path(sys.executable).with_name("traind"), "keys", "create", "nightly"),
            *("--scope", "write", "--scope", "read", "--webhook", "ci", "--json"),
        ],
        env=service.settings.environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    key = json.loads(made.stdout)
    assert key["webhooks"] == ["ci"]
    until(lambda: httpx.get(f"{service.url}/jobs").status_code == 401)
    with Client(service.url, key=key["token"]) as client:
        job = ended(client, client.submit(QUICK))
    until(lambda: receiver.received)
    with closing(database.connect(service.settings.database)) as opened:
        empty(opened, service.url)  # the other tests have no key
    (came,) = receiver.received
    assert came.event["data"]["job"]["id"] == job["id"]
