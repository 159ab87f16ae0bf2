"""The supervisor with runs that a test scripts: its steps fail one by one, and the worker lives."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.codes import StopReason
from app.jobspec import JobSpec
from app.settings import Settings
from app.store import database, doorbell, jobs, leases, migrations, outbox, retention, tables
from app.store.database import Connection, Database
from app.store.errors import StorageFull
from app.store.jobs import Job
from app.store.leases import Lease
from app.store.reported import Reported
from app.store.states import Status
from worker import housekeeping, supervisor
from worker.engines import CannotStart
from worker.messages import Checkpoint, Measured, Order, Report, Stopped
from worker.supervisor import Supervisor

HOUR = 3600.0
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


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # A calibration that is there is not made anew.
    return Settings(home=tmp_path, slots=2)


@pytest.fixture
def store(settings: Settings) -> Iterator[Database]:
    opened = database.connect(settings.database)
    migrations.migrate(opened)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield opened
    for number, handler in before.items():
        signal.signal(number, handler)
    opened.close()
    shutil.rmtree(settings.home, ignore_errors=True)


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


def test_a_checkpoint_that_cannot_be_written_waits_at_its_own_run(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, well = submit(store, "full"), submit(store, "well")
    record = leases.record

    def refuse(connection: Connection, lease: Lease, reported: Reported) -> None:
        if reported.checkpoint and job(store, well).status is not Status.SUCCEEDED:
            raise StorageFull
        record(connection, lease, reported)

    monkeypatch.setattr(leases, "record", refuse)
    engine = ScriptedEngine(
        full=ScriptedRun(Checkpoint(1, b"c"), Measured()),
        well=ScriptedRun(Measured()),
    )
    work(
        settings,
        store,
        engine,
        lambda: job(store, full).status is Status.SUCCEEDED,
        monkeypatch,
    )
    for each in (full, well):
        assert job(store, each).status is Status.SUCCEEDED
        assert job(store, each).attempt == 1


@pytest.mark.parametrize("broken", ["heartbeat", "prune", "follow"])
def test_a_step_that_fails_holds_up_no_other(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no such table")

    module, name = {
        "heartbeat": (leases, "heartbeat"),
        "prune": (retention, "prune"),
        "follow": (outbox, "any_due"),
    }[broken]
    monkeypatch.setattr(housekeeping, "PRUNE_SECONDS", 0.0)
    first = submit(store, "first")
    calls = []

    def fail_at_first(*given: Any) -> Any:
        calls.append(given)
        return fail() if len(calls) < 3 else working(*given)

    working = getattr(module, name)
    monkeypatch.setattr(module, name, fail_at_first)
    engine = ScriptedEngine(first=ScriptedRun(Measured()))
    work(
        settings,
        store,
        engine,
        lambda: job(store, first).status is Status.SUCCEEDED and len(calls) > 2,
        monkeypatch,
    )
    assert job(store, first).attempt == 1


def test_a_run_that_cannot_be_started_fails_its_job_and_the_next_one_runs(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, well = submit(store, "refused"), submit(store, "well")
    engine = ScriptedEngine(refused=CannotStart("fork refused"), well=ScriptedRun(Measured()))
    work(settings, store, engine, lambda: job(store, well).status is Status.SUCCEEDED, monkeypatch)
    failure = job(store, refused).failure
    assert failure is not None
    assert failure["code"] == "not_started"
    assert "fork refused" in failure["message"]


@pytest.mark.parametrize("silence", [0.0, 60.0])
def test_after_a_silence_of_its_own_a_worker_leaves_others_time_to_renew_their_leases(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch, silence: float
) -> None:
    theirs, ours = submit(store, "theirs"), submit(store, "ours")
    with store.write() as connection:
        assert leases.claim(connection, "elsewhere/1") is not None
        expired = update(tables.jobs).where(tables.jobs.c.id == theirs).values(lease_expires_at=1)
        connection.execute(expired)
    real = time.time
    late = iter([real() - silence])  # when the worker starts; its first heartbeat comes after it
    monkeypatch.setattr(supervisor.time, "time", lambda: next(late, real()))
    engine = ScriptedEngine(ours=ScriptedRun(Measured()), theirs=ScriptedRun(Measured()))
    work(settings, store, engine, lambda: job(store, ours).status is Status.SUCCEEDED, monkeypatch)
    assert (job(store, theirs).attempt == 1) is (silence > 0)
    assert (job(store, theirs).status is Status.RUNNING) is (silence > 0)


def test_nothing_is_claimed_before_runs_would_start_at_once(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = submit(store, "first")
    engine = ScriptedEngine(first=ScriptedRun(Measured()))
    engine.not_ready = 5
    seen = []
    engine.asked = lambda: seen.append(job(store, waiting).status)
    work(
        settings, store, engine, lambda: job(store, waiting).status is Status.SUCCEEDED, monkeypatch
    )
    assert seen == [Status.QUEUED] * 6


def test_a_pause_that_was_taken_back_while_the_run_stopped_is_none(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed = submit(store, "resumed")
    run = ScriptedRun()
    asked = []

    def stop(reason: StopReason) -> None:  # its owner changes his mind at this very moment
        asked.append(reason)
        if reason is StopReason.PAUSE:
            with store.write() as connection:
                jobs.resume(connection, resumed)
        ScriptedRun.stop(run, reason)

    monkeypatch.setattr(run, "stop", stop)
    engine = ScriptedEngine(resumed=run)

    def until() -> bool:
        if job(store, resumed).status is Status.RUNNING and not asked:
            with store.write() as connection:
                jobs.request_pause(connection, resumed)
        return bool(asked) and job(store, resumed).attempt == 2

    work(settings, store, engine, until, monkeypatch)
    assert job(store, resumed).status is Status.QUEUED  # by the shutdown, not paused
    assert asked[0] is StopReason.PAUSE


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
    any_waiting = leases.any_waiting
    broken: list[bool] = []

    def break_when_submitted(connection: Connection) -> bool:
        found = any_waiting(connection)
        if found and not broken:
            broken.append(True)
            raise RuntimeError("no such table")
        return found

    monkeypatch.setattr(leases, "any_waiting", break_when_submitted)
    found = submit_when_idle(settings, store, caller, monkeypatch, is_idle)
    assert found.status is Status.SUCCEEDED
    assert broken


def test_what_follows_from_an_end_is_looked_for_without_a_ring(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", HOUR)
    first = submit(store, "first")
    submitted: list[str] = []

    def any_due(_connection: Connection) -> bool:
        return not submitted and job(store, first).status is Status.SUCCEEDED

    def work_off(_database: Database) -> bool:
        submitted.append(submit(store, "second"))
        return False

    monkeypatch.setattr(outbox, "any_due", any_due)
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
    monkeypatch.setattr(supervisor.workers, "leave", leave)
    engine = ScriptedEngine(waiting=ScriptedRun())
    work(settings, store, engine, lambda: job(store, waiting).status is Status.RUNNING, monkeypatch)
    assert rang == [Status.QUEUED]
    other.close()
