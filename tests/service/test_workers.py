"""Two real workers on one database: labels, a drain, a crash, and a successor."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from app import lifeline
from app.client import Client
from app.local import Service, running
from app.settings import Settings
from tests.calibrated import calibrated
from tests.service.test_main_job import DIGITS, LONG
from tests.waiting import ended, started, until
from worker.training.dataset import Dataset

SHORT = DIGITS | {"training": {"epochs": 1}}


class Fleet:
    """A service with worker a in zone a, and worker b in zone b."""

    def __init__(self, service: Service) -> None:
        self.url = service.url
        given = {"worker_name": "b", "worker_labels": "zone=b"}
        self._environment = service.settings.model_copy(update=given).environment()
        self.b = self.start_b()

    def start_b(self) -> lifeline.Process:
        """Starts worker b, on the same home as a; returns once it is registered."""
        with Client(self.url) as client:
            before = {each["id"] for each in client.workers()}
            self.b = lifeline.Process(
                [sys.executable, "-P", "-m", "worker"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            until(lambda: {each["id"] for each in client.workers()} - before)
        return self.b


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    digits: Dataset,  # noqa: ARG001 (decoded into datasets_home)
    datasets_home: Any,
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("workers")
    shutil.copytree(datasets_home, home / "datasets")
    settings = Settings(home=calibrated(home), port=0, worker_name="a", worker_labels="zone=a")
    with running(settings) as service, Client(service.url) as client:
        until(client.workers)
        yield service


@pytest.fixture(scope="module")
def fleet(service: Service) -> Iterator[Fleet]:
    fleet = Fleet(service)
    yield fleet
    lifeline.stop([fleet.b], 30)


def spec_in(zone: str, spec: dict[str, Any] = SHORT) -> dict[str, Any]:
    return spec | {"requires": {"zone": zone}}


def events_of(client: Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    """What has happened to a job so far."""
    answer = client._http.get(f"/jobs/{job['id']}/events", params={"limit": 1000})
    return list(answer.raise_for_status().json()["data"])


def messages(client: Client, job: dict[str, Any]) -> list[str]:
    return [event["message"] for event in events_of(client, job)]


def kinds(client: Client, job: dict[str, Any]) -> list[str]:
    return [event["kind"] for event in events_of(client, job)]


def ran_on(client: Client, job: dict[str, Any]) -> list[str]:
    """The names of the workers that took a job up."""
    taken = [event for event in events_of(client, job) if event["message"] == "running"]
    return [event["data"]["worker_name"] for event in taken]


def test_a_job_runs_where_its_label_is(fleet: Fleet, client: Client) -> None:
    assert fleet
    nowhere = client.submit(spec_in("c"))
    assert nowhere["waiting"]["reason"] == "unsatisfiable"
    for zone in ("b", "a"):
        assert ran_on(client, ended(client, client.submit(spec_in(zone)))) == [zone]
    assert client.job(nowhere["id"])["status"] == "queued"
    listed = {each["name"]: each["labels"] for each in client.workers()}
    assert listed == {"a": {"zone": "a"}, "b": {"zone": "b"}}


def test_a_drained_worker_gives_its_job_to_another(fleet: Fleet, client: Client) -> None:
    assert fleet
    client.drain_worker("b")
    job = started(client, client.submit(LONG))
    assert client.worker("a")["jobs"] == [job["id"]]
    client.resume_worker("b")
    client.drain_worker("a", "a new disk", requeue=True)
    until(lambda: client.worker("a")["status"] == "drained")
    until(lambda: client.job(job["id"])["worker"] == client.worker("b")["id"])
    assert "queued: its worker is drained" in messages(client, job)
    until(lambda: "resumed" in kinds(client, job))  # from its checkpoint
    client.cancel(job["id"])
    waits = client.submit(spec_in("a"))
    assert waits["waiting"]["reason"] == "draining"
    client.resume_worker("a")
    assert ran_on(client, ended(client, waits)) == ["a"]


def test_a_successor_takes_over_from_a_killed_worker_at_once(fleet: Fleet, client: Client) -> None:
    job = started(client, client.submit(spec_in("b", LONG)))
    client.drain_worker("b", "it is old")
    dead = client.worker("b")["id"]
    fleet.b.send_signal(signal.SIGKILL)
    fleet.b.wait()
    fleet.start_b()
    successor = client.worker("b")
    assert successor["id"] != dead
    assert (successor["status"], successor["drain"]["reason"]) == ("drained", "it is old")
    took = [each for each in messages(client, job) if each.startswith("queued again")]
    # On a machine so busy that the lease ran out before, worker a was faster.
    assert len(took) == 1
    assert took[0].startswith(("queued again: the worker b died", "queued again: the worker b sto"))
    client.resume_worker("b")
    until(lambda: client.job(job["id"])["worker"] == successor["id"])
    client.cancel(job["id"])
    assert client.worker("a")["status"] == "ready"
