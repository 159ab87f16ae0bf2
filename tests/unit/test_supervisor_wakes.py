"""What wakes the supervisor: a ring of the doorbell, and what it looks for without one."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import wait
from typing import Any

import pytest

from app.codes import Status, StopReason
from app.settings import Settings
from app.store import database, doorbell, jobs, leases, outbox, queue, workers
from app.store.database import Connection, Database
from app.store.jobs import Job
from app.store.outbox import Work
from tests.unit.scripted import ScriptedEngine, ScriptedRun, job, submit, work
from worker import supervisor
from worker.messages import Measured, Report
from worker.supervisor import Supervisor

HOUR = 3600.0


@pytest.fixture
def caller(store: Database) -> Iterator[Database]:
    """The database as the API opens it: its commits ring."""
    assert store.path is not None
    opened = database.connect(store.path)
    opened.on_commit = partial(doorbell.ring, opened)
    yield opened
    opened.close()


def is_idle(worker: Supervisor) -> bool:
    return worker._longest_wait == supervisor.LOOK_SECONDS


def has_looked(worker: Supervisor) -> bool:
    return worker._stamp is not None


def submit_when_idle(
    settings: Settings,
    store: Database,
    caller: Database,
    monkeypatch: pytest.MonkeyPatch,
    is_time: Callable[[Supervisor], bool],
) -> Job:
    """What becomes of a job that is submitted just before the worker waits, after its look.

    The worker is stopped when the job has succeeded and it `is_time` again.
    """
    submitted: list[str] = []
    original = Supervisor._wait

    def wait_or_submit_or_stop(worker: Supervisor) -> None:
        if is_time(worker):
            if not submitted:
                submitted.append(submit(caller, "first"))
            elif job(store, submitted[0]).status is Status.SUCCEEDED:
                os.kill(os.getpid(), signal.SIGTERM)
        original(worker)

    monkeypatch.setattr(supervisor, "REST_SECONDS", 0.01)
    monkeypatch.setattr(Supervisor, "_wait", wait_or_submit_or_stop)
    Supervisor(settings, store, ScriptedEngine(first=ScriptedRun(Measured()))).run()
    return job(store, submitted[0])


def test_a_ring_wakes_an_idle_worker(
    settings: Settings, store: Database, caller: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", HOUR)
    found = submit_when_idle(settings, store, caller, monkeypatch, is_idle)
    assert found.status is Status.SUCCEEDED


def test_a_worker_without_a_bell_polls(
    settings: Settings, store: Database, caller: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", HOUR)
    (settings.home / "traind.db.bells").touch()
    found = submit_when_idle(settings, store, caller, monkeypatch, has_looked)
    assert found.status is Status.SUCCEEDED


class WaitedForRun(ScriptedRun):
    """Says that it has something to report, as a process does."""

    def __init__(self, *script: Report) -> None:
        super().__init__(*script)
        ours, self._theirs = os.pipe()
        self.waitables = [ours]

    def stop(self, reason: StopReason) -> None:
        super().stop(reason)
        os.write(self._theirs, b"!")

    def close(self) -> None:
        for end in (*self.waitables, self._theirs):
            os.close(end)


def test_a_ring_makes_a_cancel_heard_while_the_job_runs(
    settings: Settings, store: Database, caller: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STANDING_SECONDS", 2 * HOUR)
    running = submit(store, "running")
    turns = 0

    def until() -> bool:
        nonlocal turns
        status = job(store, running).status
        if status is Status.RUNNING:
            turns += 1
            if turns == 1:  # the worker asks for wishes once, and then not for hours
                doorbell.ring(caller)
            elif turns == 2:
                with caller.write() as connection:
                    jobs.request_cancel(connection, running)
        return status is Status.CANCELLED

    settings = settings.model_copy(update={"slots": 1})
    work(settings, store, ScriptedEngine(running=WaitedForRun()), until, monkeypatch)
    assert job(store, running).status is Status.CANCELLED


def test_a_look_that_failed_is_repeated_without_a_ring_and_then_the_worker_is_idle_again(
    settings: Settings, store: Database, caller: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", HOUR)
    has_work_for = queue.has_work_for
    broken: list[bool] = []

    def break_when_submitted(connection: Connection, worker_id: str) -> bool:
        found = has_work_for(connection, worker_id)
        if found and not broken:
            broken.append(True)
            raise RuntimeError("no such table")
        return found

    monkeypatch.setattr(queue, "has_work_for", break_when_submitted)
    found = submit_when_idle(settings, store, caller, monkeypatch, is_idle)
    assert found.status is Status.SUCCEEDED
    assert broken


def test_what_follows_from_an_end_is_looked_for_without_a_ring(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", HOUR)
    first = submit(store, "first")
    submitted: list[str] = []

    def due(_connection: Connection) -> frozenset[Work]:
        follows = not submitted and job(store, first).status is Status.SUCCEEDED
        return frozenset({Work.AUTOPILOT} if follows else {})

    def work_off(_database: Database) -> bool:
        submitted.append(submit(store, "second"))
        return False

    monkeypatch.setattr(outbox, "due", due)
    monkeypatch.setattr(supervisor.follow_ups, "work_off", work_off)
    runs = {"first": ScriptedRun(Measured()), "second": ScriptedRun(Measured())}

    def until() -> bool:
        return bool(submitted) and job(store, submitted[0]).status is Status.SUCCEEDED

    work(settings, store, ScriptedEngine(**runs), until, monkeypatch)
    assert job(store, submitted[0]).status is Status.SUCCEEDED


def test_a_worker_rings_when_it_puts_a_job_back_in_the_queue(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = submit(store, "waiting")
    other = doorbell.Bell(store)
    rang: list[Status] = []
    release = leases.release

    def hush_and_release(*given: Any) -> Status:
        other.hush()
        return release(*given)

    def leave(*_: object) -> None:  # the next commit, which would ring, too
        if wait([other.fileno()], 0):
            rang.append(job(store, waiting).status)

    monkeypatch.setattr(leases, "release", hush_and_release)
    monkeypatch.setattr(workers, "leave", leave)
    engine = ScriptedEngine(waiting=ScriptedRun())
    work(settings, store, engine, lambda: job(store, waiting).status is Status.RUNNING, monkeypatch)
    assert rang == [Status.QUEUED]
    other.close()
