"""Real processes, a real database file, real signals: a job from POST to prediction."""

import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from app.client import Client, Problem
from app.local import Service
from tests.waiting import HANG_SECONDS, ended, started, until

DIGITS = {"dataset": {"name": "digits"}, "training": {"log_every": 100}}
LONG = {"dataset": {"name": "digits"}, "training": {"epochs": 2000, "batch_size": 32}}
"""A job that outlasts any test: minutes of training."""
SLOW = {
    "dataset": {"name": "digits"},
    "model": {"hidden": [2000, 2000]},
    "training": {"batch_size": 1, "checkpoint_seconds": 3600},
}
"""A job of which an epoch, and so the way to its first checkpoint, takes many seconds."""


def training_process(service: Service) -> psutil.Process:
    """The process that trains: a child of the fork server, which is a child of the worker."""
    worker = psutil.Process(service.processes["worker"].pid)

    def only() -> psutil.Process | None:  # the one before may yet be ending
        runs = [run for server in worker.children() for run in server.children()]
        return runs[0] if len(runs) == 1 else None

    run: psutil.Process = until(only)
    return run


def digest(client: Client, job: dict[str, Any]) -> str:
    return client.model(job["model"])["weights_sha256"]


def lines(client: Client, job: dict[str, Any]) -> list[str]:
    return [each.data["message"] for each in client.watch(job["id"]) if each.kind != "progress"]


def states(client: Client, job: dict[str, Any]) -> list[str]:
    return [
        message.data["message"] for message in client.watch(job["id"]) if message.kind == "state"
    ]


def test_the_main_job_end_to_end(service: Service, client: Client) -> None:
    job = client.submit(DIGITS)
    messages = list(client.watch(job["id"]))
    kinds = [message.kind for message in messages]
    assert "progress" in kinds
    lines = [message.data["message"] for message in messages if message.kind == "log"]
    assert lines[0].startswith("[1,   100] loss: ")
    assert lines[-1] == "Finished Training"
    assert sum(kind == "epoch" for kind in kinds) == 10
    job = ended(client, job)
    assert job["status"] == "succeeded"
    assert job["progress"]["percent"] == 100.0
    assert job["metrics"]["test_accuracy"] >= 0.95

    model = client.model("latest")
    assert model["id"] == job["model"]
    matrix = np.array(model["confusion_matrix"])
    assert matrix.sum() == 360
    assert matrix.trace() / 360 == pytest.approx(job["metrics"]["test_accuracy"])

    folder = service.settings.home / "datasets" / "digits"
    images = np.load(folder / "test_images.npy")
    labels = np.load(folder / "test_labels.npy")
    said = client.predict([image.ravel().tolist() for image in images], "latest")
    right = np.mean([p["index"] == label for p, label in zip(said, labels, strict=True)])
    assert right == pytest.approx(job["metrics"]["test_accuracy"])


def test_the_same_spec_trains_the_same_weights(client: Client) -> None:
    spec = DIGITS | {"training": {"epochs": 1, "batch_size": 32}}
    first, second = (ended(client, client.submit(spec)) for _ in range(2))
    digests = {client.model(job["model"])["weights_sha256"] for job in (first, second)}
    assert len(digests) == 1


def test_a_paused_job_resumes_to_the_same_weights(client: Client) -> None:
    spec = DIGITS | {"training": {"epochs": 40, "batch_size": 8}}
    whole = ended(client, client.submit(spec))
    job = client.submit(spec)
    until(lambda: (client.job(job["id"])["progress"] or {"step": 0})["step"] > 200)
    client.pause(job["id"])
    until(lambda: client.job(job["id"])["status"] == "paused")
    reached = client.job(job["id"])["progress"]["step"]
    assert 200 < reached < whole["progress"]["steps"]
    client.resume(job["id"])
    job = ended(client, job)
    assert job["status"] == "succeeded"
    assert digest(client, job) == digest(client, whole)
    assert any("resumed, bit-exact" in line for line in lines(client, job))


def test_a_cancelled_job_is_tried_again_from_its_checkpoint(client: Client) -> None:
    spec = DIGITS | {"training": {"epochs": 40, "batch_size": 8}}
    job = client.submit(spec)
    until(lambda: (client.job(job["id"])["progress"] or {"epoch": 0})["epoch"] > 3)
    client.cancel(job["id"])
    ended(client, job)
    again = ended(client, client.retry(job["id"], "checkpoint"))
    assert again["retry_of"] == job["id"]
    assert again["status"] == "succeeded"
    assert any("resumed, bit-exact" in line for line in lines(client, again))


def test_a_job_that_has_not_ended_is_not_retried_and_one_that_has_not_paused_not_resumed(
    client: Client,
) -> None:
    job = client.submit(LONG)
    for move in (client.retry, client.resume):
        with pytest.raises(Problem) as refusal:
            move(job["id"])
        assert refusal.value.status == 409


def test_a_cancelled_run_stops_within_a_second(client: Client) -> None:
    times = []
    for _ in range(3):  # the machine may be busy with something else once
        job = client.submit(LONG)
        started(client, job)
        asked = time.monotonic()
        client.cancel(job["id"])
        job = ended(client, job)
        times.append(time.monotonic() - asked)
        assert job["status"] == "cancelled"
        assert job["model"] is None
    assert min(times) < 1.5, times


def test_a_killed_training_process_is_replaced_and_the_job_ends_well(
    service: Service, client: Client
) -> None:
    job = client.submit(DIGITS | {"training": {"epochs": 60, "batch_size": 8}})
    started(client, job)
    training_process(service).kill()
    job = ended(client, job)
    assert job["status"] == "succeeded"
    assert job["attempt"] == 2
    assert any("killed by SIGKILL" in state for state in states(client, job))


def test_a_job_that_loses_every_process_fails_with_a_reason_and_the_next_one_runs(
    service: Service, client: Client
) -> None:
    job = client.submit(SLOW)  # it dies before its first checkpoint each time
    for attempt in (1, 2, 3):
        until(lambda attempt=attempt: client.job(job["id"])["attempt"] == attempt)
        started(client, job)
        run = training_process(service)
        run.kill()
        run.wait(HANG_SECONDS)  # the next attempt's process is the only one then
    job = ended(client, job)
    assert job["failure"]["code"] == "worker_lost"
    assert "SIGKILL" in job["failure"]["message"]
    assert ended(client, client.submit(DIGITS))["status"] == "succeeded"


@pytest.mark.parametrize("whom", ["the worker", "each of its processes"])
def test_sigterm_puts_the_running_job_back_and_the_next_worker_finishes_it(
    service: Service, client: Client, whom: str
) -> None:
    job = client.submit(DIGITS | {"training": {"epochs": 60, "batch_size": 8}})
    started(client, job)
    worker = psutil.Process(service.processes["worker"].pid)
    others = [] if whom == "the worker" else worker.children(recursive=True)
    for process in [*others, worker]:
        process.send_signal(signal.SIGTERM)
    assert service.processes["worker"].wait(HANG_SECONDS) == 0
    assert client.job(job["id"])["status"] == "queued"
    reached = client.job(job["id"])["progress"]["step"]
    service.start("worker")
    job = ended(client, job)
    assert job["status"] == "succeeded"
    (resumed,) = (line for line in lines(client, job) if line.startswith("resumed"))
    assert int(resumed.rpartition(" ")[2]) >= reached


def test_a_killed_worker_leaves_no_training_process_and_loses_no_job(
    service: Service, client: Client
) -> None:
    job = client.submit(DIGITS | {"training": {"epochs": 60, "batch_size": 8}})
    started(client, job)
    orphan = training_process(service)
    service.processes["worker"].kill()
    service.processes["worker"].wait()
    psutil.wait_procs([orphan], timeout=HANG_SECONDS)
    assert not orphan.is_running()
    service.start("worker")
    job = ended(client, job)
    assert job["status"] == "succeeded"
    assert any("died" in state for state in states(client, job))  # the lease was not waited for


def test_a_killed_api_loses_nothing_and_the_job_goes_on(service: Service, client: Client) -> None:
    job = client.submit(DIGITS | {"training": {"epochs": 60, "batch_size": 8}})
    started(client, job)
    service.processes["app"].kill()
    service.processes["app"].wait()
    service.start("app")
    assert ended(client, job)["status"] == "succeeded"


def test_a_dataset_that_cannot_be_had_says_where_to_put_it(
    client: Client,
) -> None:
    job = ended(client, client.submit({"dataset": {"name": "kmnist"}, "training": {"epochs": 1}}))
    if job["status"] == "succeeded":
        pytest.skip("this machine reaches the dataset's mirrors")
    assert job["failure"]["code"] == "dataset_unavailable"
    assert "KMNIST" in job["failure"]["advice"]
    assert "TRAIND_DATASETS" in job["failure"]["advice"]


def test_a_training_process_has_no_database_open(service: Service, client: Client) -> None:
    job = client.submit(LONG)
    started(client, job)
    child = training_process(service)
    opened = [fd.readlink().name for fd in Path(f"/proc/{child.pid}/fd").iterdir()]
    assert not [name for name in opened if name.startswith("traind.db")]
    mapped = Path(f"/proc/{child.pid}/maps").read_text()
    assert "sqlalchemy" not in mapped
    assert "pysqlite3" not in mapped
    assert "torchvision" not in mapped
    assert "libtorch" in mapped


def test_a_refused_spec_is_not_stored(client: Client) -> None:
    before = [job["id"] for job in client.jobs()]
    with pytest.raises(Problem) as refusal:
        client.submit({"training": {"optimizer": {"lr": -1}}})
    assert refusal.value.errors[0]["pointer"] == "/training/optimizer/lr"
    assert [job["id"] for job in client.jobs()] == before
