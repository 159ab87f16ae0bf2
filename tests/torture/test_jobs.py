"""Jobs through kills at random instants: each ends once, with the weights of an unbroken run."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.client import Client
from app.local import Service
from tests import databases
from tests.waiting import HANG_SECONDS

SPEC: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "model": {"hidden": [32]},
    "training": {"epochs": 120, "batch_size": 16, "checkpoint_seconds": 0.5, "log_every": 500},
}
"""Some seconds of training, with checkpoints all along."""
ENDED = {"succeeded", "failed", "cancelled"}


@contextmanager
def service(home: Path, *modules: str) -> Iterator[Service]:
    """A service with these processes; its log is beside its database."""
    started = Service(databases.settings(home), home / "log")
    try:
        started.start(*modules)
        yield started
    finally:
        started.stop()


def kill(process: psutil.Popen | psutil.Process | Any) -> None:
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def family(worker: Any) -> tuple[psutil.Process, list[psutil.Process]]:
    """The supervisor and the processes that train, which its fork server has forked."""
    supervisor = psutil.Process(worker.pid)
    training: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        for server in supervisor.children():
            training += server.children()
    return supervisor, training


def ended(client: Client, jobs: list[str]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + HANG_SECONDS
    found = []
    for job_id in jobs:
        job = client.job(job_id)
        while job["status"] not in ENDED:
            assert time.monotonic() < deadline, job
            job = client.job(job_id, wait=2)
        found.append(job)
    return found


def running(client: Client, job_id: str) -> dict[str, Any]:
    """The job, once this attempt has made a step."""
    deadline = time.monotonic() + HANG_SECONDS
    while (job := client.job(job_id))["status"] != "running" or job["first_step_at"] is None:
        assert job["status"] in {"queued", "running"}, job
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def endings(client: Client, job_id: str) -> list[str]:
    """The terminal states among a job's transitions."""
    states = [m.data["data"]["status"] for m in client.watch(job_id) if m.kind == "state"]
    return [state for state in states if state in ENDED]


@pytest.mark.timeout(3600)
def test_kills_at_random_instants_change_nothing(
    tmp_path: Path,
    seed: int,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(seed)
    rounds = repeated(200, 200)
    killed: Counter[str] = Counter()
    resumed = 0
    with service(tmp_path, "app", "worker") as serving, Client(serving.url) as client:
        ended(client, [client.submit(SPEC)["id"]])  # the worker is warm, the dataset decoded
        began = time.monotonic()
        (reference,) = ended(client, [client.submit(SPEC)["id"]])
        usual = time.monotonic() - began
        digest = client.model(reference["model"])["weights_sha256"]
        for _ in range(rounds):
            job_id = client.submit(SPEC)["id"]
            while client.job(job_id)["status"] == "queued":
                time.sleep(0.01)
            time.sleep(chance.uniform(0, usual))
            target = chance.choice(["supervisor", "child", "both"])
            supervisor, training = family(serving.processes["worker"])
            victims = training if target != "supervisor" else []
            victims += [supervisor] if target != "child" else []
            for victim in victims:
                kill(victim)
            killed[target] += 1
            if target != "child":
                serving.processes["worker"].wait()
                serving.start("worker")
            (job,) = ended(client, [job_id])
            assert job["status"] == "succeeded", (seed, target, job["failure"])
            assert client.model(job["model"])["weights_sha256"] == digest, (seed, target)
            assert endings(client, job_id) == ["succeeded"], (seed, target)
            resumed += any(message.kind == "resumed" for message in client.watch(job_id))
    with capsys.disabled():
        print(f"\nkilled, seed {seed}: {dict(killed)}, {resumed} resumed; every digest equal")


def test_acknowledged_jobs_survive_kills_of_the_api(
    tmp_path: Path,
    seed: int,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(seed)
    posts, clients = repeated(1000, 40), 8
    acknowledged: dict[str, set[str]] = {}
    retries = kills = 0
    with service(tmp_path, "app") as running, httpx.Client(timeout=5) as http:
        done, answered = threading.Event(), threading.Event()

        def post(number: int) -> None:
            nonlocal retries
            key = f"key-{number}"
            headers = {"Idempotency-Key": key}
            while True:
                with suppress(httpx.TransportError):
                    answer = http.post(f"{running.url}/jobs", json={}, headers=headers)
                    assert answer.status_code in (200, 201), answer.text
                    acknowledged.setdefault(key, set()).add(answer.json()["id"])
                    answered.set()
                    if chance.random() > 0.2:  # some clients did not hear the answer: once more
                        return
                retries += 1
                time.sleep(0.1)

        def keep_killing() -> None:
            """Every other API lives until it has answered, on however busy a machine."""
            nonlocal kills
            while not done.wait(chance.uniform(0.02, 0.3)):
                while kills % 2 and not (answered.wait(0.05) or done.is_set()):
                    pass
                answered.clear()
                kills += 1
                kill(running.processes["app"])
                running.processes["app"].wait()
                running.start("app")

        killer = threading.Thread(target=keep_killing)
        killer.start()
        try:
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(post, range(posts)))
        finally:
            done.set()
            killer.join()
        with Client(running.url) as client:
            for ids in acknowledged.values():
                assert len(ids) == 1, (seed, ids)
                assert client.job(next(iter(ids)))["status"] == "queued"
    ((stored,),) = databases.rows(tmp_path, "SELECT count(*) FROM jobs")
    assert stored == posts, (seed, stored)
    assert kills
    with capsys.disabled():
        print(
            f"\n{kills} kills of the API, seed {seed}: {posts} jobs acknowledged and there, ",
            end="",
        )
        print(f"{retries} requests repeated")


@pytest.mark.timeout(3600)
def test_nothing_acknowledged_shrinks_when_everything_is_killed(
    tmp_path: Path,
    seed: int,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(seed)
    rounds = repeated(200, 200)
    known: dict[str, int] = {}
    grown = 0
    with service(tmp_path, "app", "worker") as running:
        for number in range(rounds):
            with Client(running.url) as client:
                job_id = client.submit(SPEC)["id"]
                known.setdefault(job_id, -1)
                if chance.random() < 0.8:  # else the worker may be killed while it starts
                    while not any(job["first_step_at"] for job in client.jobs(status="running")):
                        time.sleep(0.02)
            time.sleep(chance.uniform(0, 3))
            while number == 0 and max(steps(tmp_path).values()) < 0:  # one is surely at stake
                time.sleep(0.02)
            for job_id, step in steps(tmp_path).items():
                assert step >= known.get(job_id, -1), (seed, job_id)
                grown += step > known.get(job_id, -1)
                known[job_id] = step
            supervisor, training = family(running.processes["worker"])
            victims = [running.processes["app"], supervisor, *training]
            chance.shuffle(victims)
            for victim in victims:
                kill(victim)
            for process in running.processes.values():
                process.wait()
            check_integrity(tmp_path)
            running.start("app", "worker")
            found = steps(tmp_path)
            for job_id, step in known.items():
                assert job_id in found, (seed, job_id)
                assert found[job_id] >= step, (seed, job_id, found[job_id], step)
    with capsys.disabled():
        print(f"\n{rounds} restarts, {len(known)} jobs, {grown} steps of progress, seed {seed}")
    assert grown


def steps(home: Path) -> dict[str, int]:
    """The newest checkpoint step of each job; 10**9 once it has succeeded."""
    query = (
        "SELECT id, CASE status WHEN 'succeeded' THEN 1000000000 ELSE coalesce((SELECT "
        "max(step) FROM checkpoints WHERE job_id = id), -1) END FROM jobs"
    )
    return dict(databases.rows(home, query))


def check_integrity(home: Path) -> None:
    """Of the SQLite file, where there is one: nobody has killed a server."""
    if (home / "traind.db").exists():
        assert databases.rows(home, "PRAGMA integrity_check") == [("ok",)]
        assert databases.rows(home, "PRAGMA foreign_key_check") == []
