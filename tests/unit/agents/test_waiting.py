"""Waiting for a job: when it ends, and that it keeps nobody else from being answered."""

import asyncio
import threading
from typing import Any

import pytest
from anyio.to_thread import run_sync

from app.mcp import waiting
from app.mcp.job_answers import JobState
from tests.waiting import HANG_SECONDS

JOB: dict[str, Any] = {
    "id": "job_1", "name": "", "status": "running", "verdict": "unknown", "model": None,
    "spec": {"dataset": {"name": "digits"}, "training": {"epochs": 2}}, "failure": None,
    "metrics": {}, "retry_of": None,
    "progress": {"epoch": 1, "epochs": 2, "percent": 40.0, "eta_seconds": 3.2},
}  # fmt: skip
MORE_THAN_THREADS = 45
"""anyio has 40 threads for all calls together."""


class Service:
    """A client of a service whose job runs until it is told to end."""

    def __init__(self) -> None:
        self.ends = threading.Event()
        self.waits: list[float] = []

    def job(self, _: str, wait: float = 0) -> dict[str, Any]:
        if wait:
            self.waits.append(wait)
            self.ends.wait(HANG_SECONDS)
        return JOB | {"status": "cancelled" if self.ends.is_set() else "running"}


class Heard:
    """A call's context that keeps the progress that it is told."""

    def __init__(self) -> None:
        self.progress: list[tuple[Any, ...]] = []

    async def report_progress(self, *told: Any) -> None:
        self.progress.append(told)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(waiting, "service", lambda: service)
    return service


async def wait(heard: Heard, seconds: float = 50) -> JobState:
    return await waiting.wait_for_job(heard, "job_1", seconds)  # type: ignore[arg-type]


def test_calls_that_wait_take_no_thread_from_those_that_answer_at_once(service: Service) -> None:
    async def run() -> list[JobState]:
        calls = [asyncio.create_task(wait(Heard())) for _ in range(MORE_THAN_THREADS)]
        async with asyncio.timeout(HANG_SECONDS):
            while len(service.waits) < MORE_THAN_THREADS:
                await asyncio.sleep(0.01)
        await run_sync(service.ends.set)
        return await asyncio.gather(*calls)

    assert {state.status for state in asyncio.run(run())} == {"cancelled"}


def test_progress_is_told_and_no_look_takes_longer_than_the_wait(service: Service) -> None:
    heard = Heard()

    async def run() -> JobState:
        call = asyncio.create_task(wait(heard, 3))
        async with asyncio.timeout(HANG_SECONDS):
            while not service.waits:
                await asyncio.sleep(0.01)
        service.ends.set()
        return await call

    assert asyncio.run(run()).status == "cancelled"
    assert heard.progress == [(40.0, 100, "running, epoch 1/2, 3 s left")]
    assert 0 < service.waits[0] <= 3


def test_a_wait_of_no_time_looks_once(service: Service) -> None:
    state = asyncio.run(wait(Heard(), 0))
    assert (state.status, service.waits) == ("running", [])
    assert state.next.startswith("Call wait_for_job")
