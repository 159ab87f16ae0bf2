"""Runs that a test scripts, and a supervisor that works on them until a condition holds."""

import os
import signal
from collections.abc import Callable

import pytest

from app.codes import StopReason
from app.jobspec import JobSpec
from app.settings import Settings
from app.store import jobs
from app.store.database import Database
from app.store.jobs import Job
from worker import supervisor
from worker.capacity import CPU
from worker.messages import Order, Report, Stopped
from worker.supervisor import Supervisor

SPEC = JobSpec.model_validate({"dataset": {"name": "digits"}}).model_dump(mode="json")


class ScriptedRun:
    """Says one thing a turn; what is left of the script is said after it is asked to stop."""

    def __init__(self, *script: Report) -> None:
        self.waitables: list[int] = []
        self._script = list(script)
        self.killed = False

    def reports(self) -> list[Report]:
        return [self._script.pop(0)] if self._script else []

    def stop(self, reason: StopReason) -> None:
        self._script.append(Stopped(reason))

    def kill(self) -> None:
        self.killed = True

    def death(self) -> str | None:
        return "killed" if self.killed else None

    def close(self) -> None:
        assert self.killed


class ScriptedEngine:
    """Starts what the test has laid ready, by the name of the job."""

    def __init__(self, **runs: ScriptedRun | Exception) -> None:
        self._runs = runs
        self.not_ready = 0
        self.asked: Callable[[], object] = lambda: None
        self.capacity = CPU

    def warm_up(self) -> None: ...

    def is_ready(self) -> bool:
        self.asked()
        self.not_ready -= 1
        return self.not_ready < 0

    def start(self, order: Order) -> ScriptedRun:
        run = self._runs[order.spec["name"]]
        if isinstance(run, Exception):
            raise run
        return run


def submit(store: Database, name: str) -> str:
    with store.write() as connection:
        return jobs.submit(connection, SPEC | {"name": name}).id


def job(store: Database, job_id: str) -> Job:
    with store.read() as connection:
        return jobs.get(connection, job_id)


def work(
    settings: Settings,
    store: Database,
    engine: ScriptedEngine,
    until: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs a supervisor until the condition holds, and stops it by a signal."""
    turn = Supervisor._wait

    def wait_or_stop(worker: Supervisor) -> None:
        if until():
            os.kill(os.getpid(), signal.SIGTERM)
        turn(worker)

    monkeypatch.setattr(supervisor, "REST_SECONDS", 0.01)
    monkeypatch.setattr(Supervisor, "_wait", wait_or_stop)
    Supervisor(settings, store, engine).run()
