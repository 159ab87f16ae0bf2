"""The service with its runs on Ray: a cluster of this machine that the worker starts itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import psutil
import pytest

from app import address
from app.client import Client
from app.jobspec import JobSpec
from app.local import Service, running
from app.settings import Settings
from tests.calibrated import calibrated
from tests.service.test_main_job import DIGITS, LONG, digest, lines, states
from tests.unit.training.runs import run
from tests.waiting import HANG_SECONDS, ended, started, until
from worker.training.dataset import Dataset

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

STEADY = DIGITS | {
    "training": {"epochs": 100, "batch_size": 8, "checkpoint_seconds": 0.5},
    "diagnosis": False,
}
"""Some seconds of training, with checkpoints all along."""


TOGETHER = {
    "dataset": {"name": "digits"},
    "training": {
        "epochs": 60,
        "batch_size": 32,
        "checkpoint_seconds": 0.5,
        "optimizer": {"lr": 0.02},
    },
    "resources": {"workers": 2},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with running(Settings(home=calibrated(home), port=0, engine="ray", slots=2)) as service:
        yield service


@pytest.fixture(scope="module")
def at_home(digits: Dataset) -> str:
    """The digest of `STEADY`'s weights, trained in this process without interruption."""
    return run(JobSpec.model_validate(STEADY), digits)[0].weights_sha256


def attempts(service: Service, actor: str = "Attempt.train") -> list[psutil.Process]:
    """The actors that train on the cluster; their training processes are below them."""
    worker = psutil.Process(service.processes["worker"].pid)
    return [each for each in worker.children(recursive=True) if actor in title(each)]


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_a_run_on_ray_has_the_weights_of_one_at_home_paused_or_not(
    service: Service, client: Client, at_home: str
) -> None:
    paused = client.submit(STEADY)
    started(client, paused)
    whole = client.submit(STEADY)
    client.pause(paused["id"])
    until(lambda: client.job(paused["id"])["status"] == "paused")
    client.resume(paused["id"])
    for job in (ended(client, whole), ended(client, paused)):
        assert job["status"] == "succeeded", job["failure"]
        assert digest(client, job) == at_home
    assert any("resumed, bit-exact" in line for line in lines(client, paused))
    until(lambda: not attempts(service))
    (worker,) = client.workers()
    assert (worker["engine"], worker["device"]) == ("ray", "cpu")
    assert worker["threads"] == os.cpu_count()  # of its Ray, which has found the same machine


def test_a_cancelled_run_leaves_nothing_on_the_cluster(service: Service, client: Client) -> None:
    job = client.submit(LONG)
    started(client, job)
    (attempt,) = attempts(service)
    processes = [attempt, *attempt.children(recursive=True)]
    client.cancel(job["id"])
    assert ended(client, job)["status"] == "cancelled"
    gone, alive = psutil.wait_procs(processes, HANG_SECONDS)
    assert not alive
    assert gone


@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.torture)])
def test_two_workers_train_as_one_though_ray_has_to_start_them_again(
    service: Service, client: Client, digits: Dataset, *, killed: bool
) -> None:
    job = client.submit(TOGETHER)
    if killed:
        until(lambda: (client.job(job["id"])["progress"] or {}).get("epoch", 0) > 3)
        attempts(service, "RayTrainWorker")[1].kill()
    job = ended(client, job)
    assert job["status"] == "succeeded", job["failure"]
    assert job["attempt"] == 1
    assert any("resumed, bit-exact" in line for line in lines(client, job)) == killed
    alone = run(JobSpec.model_validate(TOGETHER | {"resources": {}}), digits)[0].metrics
    assert job["metrics"]["test_loss"] == pytest.approx(alone["test_loss"], abs=1e-3)
    assert job["metrics"]["test_accuracy"] == pytest.approx(alone["test_accuracy"], abs=0.01)


@pytest.mark.torture
@pytest.mark.parametrize("whom", ["training process", "actor", "driver"])
def test_a_run_that_loses_a_process_is_resumed(
    service: Service, client: Client, at_home: str, whom: str
) -> None:
    job = client.submit(STEADY)
    started(client, job)
    until(lambda: client.job(job["id"])["progress"]["epoch"] > 3)
    (attempt,) = attempts(service)
    if whom == "actor":
        attempt.kill()
    elif whom == "driver":
        worker = psutil.Process(service.processes["worker"].pid)
        (driver,) = [
            run
            for server in worker.children()
            if "forkserver" in title(server)
            for run in server.children()
        ]
        driver.kill()
    else:
        (server,) = [each for each in attempt.children() if "forkserver" in title(each)]
        (training,) = server.children()
        training.kill()
    job = ended(client, job)
    assert job["status"] == "succeeded", job["failure"]
    assert job["attempt"] == 2
    assert digest(client, job) == at_home
    assert any("queued again" in state for state in states(client, job))


@pytest.mark.torture
def test_with_the_worker_its_ray_ends_and_the_next_worker_finishes_the_job(
    service: Service, client: Client, at_home: str
) -> None:
    job = client.submit(STEADY)
    started(client, job)
    worker = service.processes["worker"]
    processes = psutil.Process(worker.pid).children(recursive=True)
    assert any("raylet" in title(each) for each in processes)
    worker.kill()
    worker.wait()
    assert psutil.wait_procs(processes, HANG_SECONDS)[1] == []
    service.start("worker")
    job = ended(client, job)
    assert job["attempt"] == 2
    assert digest(client, job) == at_home


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("127.0.0.1:{port}", "no Ray cluster answers at 127.0.0.1:{port}: Connection refused"),
        ("ray://head:10001", "must be HOST:PORT"),
    ],
)
def test_a_cluster_that_does_not_answer_is_told_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, wanted: str, says: str
) -> None:
    port = address.free_port("127.0.0.1")
    settings = Settings(
        home=tmp_path_factory.mktemp("home"), engine="ray", ray_address=wanted.format(port=port)
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "worker"],
        env=settings.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert answer.returncode == 1
    (line,) = [line for line in answer.stderr.splitlines() if "cannot start" in line]
    assert says.format(port=port) in line
