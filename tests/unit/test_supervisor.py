"""The supervisor with runs that a test scripts: its steps fail one by one, and the worker lives."""

import time
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.codes import Status, StopReason
from app.settings import Settings
from app.store import events, jobs, leases, outbox, retention, tables, workers
from app.store.database import Connection, Database
from app.store.errors import StorageFull
from app.store.leases import Lease
from app.store.reported import Reported
from tests import runs
from tests.unit.scripted import ScriptedEngine, ScriptedRun, job, submit, work
from worker import held, housekeeping, supervisor
from worker.delivery_processes import DeliveryProcesses
from worker.engines import CannotStart
from worker.messages import Checkpoint, Log, Measured, Report


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


@pytest.mark.parametrize("broken", ["heartbeat", "prune", "follow", "deliver"])
def test_a_step_that_fails_holds_up_no_other(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no such table")

    module, name = {
        "heartbeat": (leases, "heartbeat"),
        "prune": (retention, "prune"),
        "follow": (outbox, "due"),
        "deliver": (DeliveryProcesses, "start_due"),
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


def test_a_database_that_is_away_is_a_line_in_the_log(
    settings: Settings,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    working, calls = leases.heartbeat, iter(range(1000))

    def away_at_first(*given: Any) -> Any:
        if next(calls) < 2:
            raise OperationalError(
                "UPDATE jobs", {}, Exception("the server closed\nthe connection")
            )
        return working(*given)

    monkeypatch.setattr(leases, "heartbeat", away_at_first)
    first = submit(store, "first")
    engine = ScriptedEngine(first=ScriptedRun(Measured()))
    work(settings, store, engine, lambda: job(store, first).status is Status.SUCCEEDED, monkeypatch)
    told = [each for each in caplog.records if "the server closed" in each.getMessage()]
    assert told
    assert all(each.exc_info is None and "\n" not in each.getMessage() for each in told)


def test_among_many_workers_a_run_is_written_down_seldom(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of a while make one write; none is lost, and they keep their order."""
    talkative = submit(store, "talkative")
    written: list[int] = []
    record = leases.record

    def count(connection: Connection, lease: Lease, reported: Reported) -> None:
        written.append(len(reported.events))
        record(connection, lease, reported)

    monkeypatch.setattr(leases, "record", count)
    monkeypatch.setattr(workers, "count_alive", lambda _: held.FEW_WORKERS + 300)
    words = [Log(str(number)) for number in range(40)]
    engine = ScriptedEngine(talkative=ChattyRun(*words, Measured()))
    work(
        settings,
        store,
        engine,
        lambda: job(store, talkative).status is Status.SUCCEEDED,
        monkeypatch,
    )
    assert len(written) <= 3, written
    with store.read() as connection:
        said = [each.message for each in events.after(connection, talkative, 0, 99)]
    assert [each for each in said if each.isdigit()] == [str(number) for number in range(40)]


class ChattyRun(ScriptedRun):
    """Says a word each 10 ms, and all that was not heard yet when it is listened to."""

    def __init__(self, *script: Report) -> None:
        super().__init__(*script)
        self._began = time.monotonic()
        self._heard = 0

    def reports(self) -> list[Report]:
        said = int((time.monotonic() - self._began) * 100)
        new = self._script[self._heard : said]
        self._heard += len(new)
        return new


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
        assert runs.claim(connection, "wrk_elsewhere") is not None
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
