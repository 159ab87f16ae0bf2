"""Pauses, resumes, cancels and kills at random, in any order, under two workers.

Each job has one legal end, what its owner was last told counts, and where it succeeds its weights
are those of an undisturbed run.
"""

import os
import random
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.client import Client, Problem
from tests.torture.test_jobs import ENDED, SPEC, ended, endings, family, kill, service
from tests.waiting import HANG_SECONDS

MOVES = ("pause", "resume", "cancel", "kill the training process", "kill the worker")
WEIGHTS = (5, 6, 1, 2, 2)
"""How often each happens: cancels seldom, or few jobs would live to see the others."""

ROUNDS = int(os.environ.get("ROUNDS", "200"))


@pytest.mark.timeout(7200)
def test_any_interleaving_of_wishes_and_kills_has_one_legal_end(
    tmp_path: Path,
    seed: int,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not request.config.option.torture:
        pytest.skip("takes minutes: make torture; every order is in tests/store/test_release.py")
    chance = random.Random(seed)
    rounds = ROUNDS
    found: Counter[str] = Counter()
    made: Counter[str] = Counter()
    with service(tmp_path, "app", "worker") as serving, Client(serving.url) as client:
        serving.processes["first"] = serving.processes.pop("worker")
        serving.start("worker")
        serving.processes["second"] = serving.processes.pop("worker")
        ended(client, [client.submit(SPEC)["id"] for _ in range(2)])  # both workers are warm
        began = time.monotonic()
        (reference,) = ended(client, [client.submit(SPEC)["id"]])
        usual = time.monotonic() - began
        digest = client.model(reference["model"])["weights_sha256"]

        def restart(name: str) -> None:
            kill(serving.processes[name])
            serving.processes[name].wait()
            serving.start("worker")
            serving.processes[name] = serving.processes.pop("worker")

        for number in range(rounds):
            job_id = client.submit(SPEC)["id"]
            said: list[str] = []
            for _ in range(chance.randint(2, 8)):
                time.sleep(chance.uniform(0, usual / 4))
                move = chance.choices(MOVES, WEIGHTS)[0]
                if move.startswith("kill"):
                    name = chance.choice(["first", "second"])
                    with suppress(psutil.NoSuchProcess):
                        _, training = family(serving.processes[name])
                        for process in training:
                            kill(process)
                    if move == "kill the worker":
                        restart(name)
                    made[move] += 1
                    continue
                with suppress(Problem):
                    answer: dict[str, Any] = getattr(client, move)(job_id)
                    said.append(move)
                    made[move] += 1
                    assert legal(move, answer), (seed, number, said, answer)
            job = let_it_end(client, job_id)
            ends = endings(client, job_id)
            assert ends == [job["status"]], (seed, number, said, ends)
            assert not job["cancel_requested"]
            assert not job["pause_requested"]
            assert (job["model"] is not None) == (job["status"] == "succeeded")
            found[job["status"]] += 1
            if job["status"] == "succeeded":
                assert client.model(job["model"])["weights_sha256"] == digest, (seed, number, said)
            elif job["status"] == "cancelled":
                assert "cancel" in said, (seed, number, said)
            else:  # it lost three attempts before it could keep a checkpoint
                assert job["failure"]["code"] == "worker_lost", (seed, number, job["failure"])
        assert [process.poll() for process in serving.processes.values()] == [None] * 3
    assert found["succeeded"]
    with capsys.disabled():
        print(f"\n{rounds} interleavings, seed {seed}: {dict(made)}; they ended {dict(found)}")


def legal(move: str, job: dict[str, Any]) -> bool:
    """Whether the answer to an acknowledged wish says that it counts."""
    match move:
        case "pause":
            return job["status"] == "paused" or job["pause_requested"]
        case "cancel":
            return job["status"] == "cancelled" or job["cancel_requested"]
    return job["status"] in {"queued", "running"} and not job["pause_requested"]


def let_it_end(client: Client, job_id: str) -> dict[str, Any]:
    """Resumes the job whenever it is paused, and returns it when it has ended."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        assert time.monotonic() < deadline, client.job(job_id)
        job = client.job(job_id, wait=2)
        if job["status"] in ENDED:
            return job
        if job["status"] == "paused" or job["pause_requested"]:
            with suppress(Problem):
                client.resume(job_id)
