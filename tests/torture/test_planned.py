"""Planned stops, cancels and a clock that jumps: each job has one end, and no step is lost."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.client import Client, Problem
from tests import databases
from tests.torture.other_clock import set_clock
from tests.torture.test_jobs import SPEC, ended, endings, running, service, steps


@pytest.mark.timeout(1800)
def test_planned_stops_lose_no_step_and_spend_no_attempt(
    tmp_path: Path,
    seed: int,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(seed)
    slowest = 0.0
    with service(tmp_path, "app", "worker") as serving, Client(serving.url) as client:
        long = SPEC | {"training": SPEC["training"] | {"epochs": 3000, "checkpoint_seconds": 3600}}
        job_id = client.submit(long)["id"]
        for _ in range(repeated(50, 50)):
            running(client, job_id)
            time.sleep(chance.uniform(0, 1))
            reached = client.job(job_id)["progress"]["step"]
            began = time.monotonic()
            serving.processes["worker"].terminate()
            assert serving.processes["worker"].wait(15) == 0
            slowest = max(slowest, time.monotonic() - began)
            job = client.job(job_id)
            assert job["status"] == "queued", (seed, job)
            assert steps(tmp_path)[job_id] >= reached, seed
            serving.start("worker")
        client.cancel(job_id)
    assert databases.rows(tmp_path, "SELECT lost_attempts FROM jobs") == [(0,)]
    assert slowest < 10
    with capsys.disabled():
        print(f"\nstops took at most {slowest:.1f} s, seed {seed}")


@pytest.mark.timeout(1800)
def test_cancel_against_completion_gives_one_end(
    tmp_path: Path,
    seed: int,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(seed)
    tiny = {
        "dataset": {"name": "digits", "limit": 64},
        "model": {"hidden": [4]},
        "training": {"epochs": 1, "batch_size": 32},
    }
    found: Counter[str] = Counter()
    with service(tmp_path, "app", "worker") as running, Client(running.url) as client:
        ended(client, [client.submit(tiny)["id"]])
        began = time.monotonic()
        ended(client, [client.submit(tiny)["id"]])
        usual = time.monotonic() - began
        for _ in range(repeated(500, 250)):
            job_id = client.submit(tiny)["id"]
            time.sleep(chance.uniform(0, 1.2 * usual))
            with suppress(Problem):
                client.cancel(job_id)
            (job,) = ended(client, [job_id])
            assert endings(client, job_id) == [job["status"]], seed
            assert (job["model"] is not None) == (job["status"] == "succeeded"), seed
            found[job["status"]] += 1
            usual *= 1.1 if job["status"] == "cancelled" else 0.9  # both ends stay likely
    assert set(found) <= {"succeeded", "cancelled"}, found
    with capsys.disabled():
        print(f"\ncancel against completion, seed {seed}: {dict(found)}")


@pytest.mark.timeout(1800)
def test_a_clock_that_jumps_under_two_workers_runs_no_job_twice(
    tmp_path: Path,
    seed: int,
    request: pytest.FixtureRequest,
    repeated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not request.config.option.torture:
        pytest.skip("takes most of a minute: make torture; the store's part is in test_store.py")
    chance = random.Random(seed)
    worker = "tests.torture.other_clock"
    hours, attempts = 0, 0
    set_clock(tmp_path, hours)
    spec = SPEC | {"training": SPEC["training"] | {"epochs": 600}}  # longer than a heartbeat
    with service(tmp_path, "app", worker) as serving, Client(serving.url) as client:
        serving.processes["the first"] = serving.processes.pop(worker)
        serving.start(worker)
        jumps = repeated(20)
        for _ in range(jumps):
            jobs = [client.submit(spec)["id"] for _ in range(2)]
            for job_id in jobs:
                running(client, job_id)
            time.sleep(chance.uniform(0, 3))
            hours = chance.choice([-1, 1]) if hours == 0 else 0  # by an hour, there or back
            set_clock(tmp_path, hours)
            for job in ended(client, jobs):
                assert job["status"] == "succeeded", (seed, job["failure"])
                assert endings(client, job["id"]) == ["succeeded"], seed
                attempts += job["attempt"]
            assert [process.poll() for process in serving.processes.values()] == [None] * 3
    with capsys.disabled():
        print(f"\n{jumps} jumps of the clock by an hour, seed {seed}: ", end="")
        print(f"{2 * jumps} jobs in {attempts} attempts, each succeeded once")
