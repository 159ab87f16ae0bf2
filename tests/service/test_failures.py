"""Runs that go wrong: each fails with a reason, the API answers on, and the next one runs."""

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.client import Client
from app.local import Service, running
from tests import databases
from tests.service.test_main_job import DIGITS, LONG, states, training_process
from tests.waiting import ended, started, until
from worker.training.dataset import Dataset

SHORT = DIGITS | {"training": {"epochs": 1}}
TOO_LARGE: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "model": {"hidden": [2048, 2048, 2048]},
    "training": {"epochs": 5, "batch_size": 1024, "optimizer": {"name": "adam"}},
}


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    digits: Dataset,  # noqa: ARG001 (decoded into datasets_home)
    datasets_home: Path,
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("failures")
    shutil.copytree(datasets_home, home / "datasets")  # decoding is a silence of its own
    with running(databases.settings(home, run_memory_mb=100)) as service:
        yield service


@pytest.mark.parametrize("gradient", ["chain_rule", "autograd"])
def test_a_run_that_needs_too_much_memory_says_so_and_the_api_answers_on(
    service: Service, client: Client, gradient: str
) -> None:
    asked = 0
    over = threading.Event()

    def ask() -> None:
        nonlocal asked
        with Client(service.url) as other:
            while not over.is_set():
                other.jobs()
                asked += 1

    asking = threading.Thread(target=ask)
    asking.start()
    spec = TOO_LARGE | {"training": TOO_LARGE["training"] | {"gradient": gradient}}
    job = ended(client, client.submit(spec))
    over.set()
    asking.join()
    assert job["failure"]["code"] == "out_of_memory", job
    assert "100 MB" in job["failure"]["message"]
    assert job["attempt"] == 1
    assert asked > 0
    assert ended(client, client.submit(SHORT))["status"] == "succeeded"


def test_a_run_that_cannot_be_started_fails_its_job_and_the_worker_lives(
    service: Service, client: Client
) -> None:
    assert ended(client, client.submit(SHORT))["status"] == "succeeded"
    worker = psutil.Process(service.processes["worker"].pid)
    limits = worker.rlimit(psutil.RLIMIT_NOFILE)
    worker.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))  # what is open stays so
    job = ended(client, client.submit(SHORT))
    worker.rlimit(psutil.RLIMIT_NOFILE, limits)
    assert job["failure"]["code"] == "not_started", job
    assert "Too many open files" in job["failure"]["message"]
    assert job["attempt"] == 1
    assert ended(client, client.submit(SHORT))["status"] == "succeeded"


def test_a_run_that_hangs_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    settings = databases.settings(tmp_path, no_progress_seconds=10)
    with running(settings) as service, Client(service.url) as client:
        # A cold start may be silent for longer on a busy machine: the first runs are warmed up.
        until(lambda: ended(client, client.submit(SHORT))["status"] == "succeeded")
        job = client.submit(LONG)
        started(client, job)
        hung = training_process(service)
        hung.send_signal(signal.SIGSTOP)
        until(lambda: hung.status() == psutil.STATUS_STOPPED)
        job = ended(client, job)
        assert job["status"] == "failed", states(client, job)
        assert job["failure"]["code"] == "no_progress"
        assert "10 s" in job["failure"]["message"]
        assert job["attempt"] == 1
        assert ended(client, client.submit(SHORT))["status"] == "succeeded"


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": {"lr": 1000}, "log_every": 1},
        {"optimizer": {"lr": 1000}, "epochs": 1, "log_every": 100000},
        {"optimizer": {"lr": 1000}, "loss": {"name": "mse"}, "gradient": "autograd"},
    ],
    ids=["soon", "at the end", "mse by autograd"],
)
def test_a_loss_that_diverges_is_named_with_its_step(
    service: Service, client: Client, training: dict[str, Any]
) -> None:
    spec = {"dataset": {"name": "digits"}, "model": {"hidden": [64] * 6}, "training": training}
    job = ended(client, client.submit(spec))
    assert job["failure"]["code"] == "diverged", job
    assert "step " in job["failure"]["message"]
    for path in (f"/jobs/{job['id']}", f"/jobs/{job['id']}/events", f"/jobs/{job['id']}/metrics"):
        answer = httpx.get(service.url + path, headers={"Accept": "application/json"})
        assert answer.status_code == 200
        json.loads(answer.text, parse_constant=pytest.fail)
