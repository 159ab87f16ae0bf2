"""Lock files: the dead of a home are told from the living, whatever their process ids."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.codes import Status
from app.settings import Settings
from app.store import jobs, workers
from app.store.database import Database
from tests import runs
from tests.unit.scripted import SPEC, job, submit
from worker import lock_file, predecessors
from worker.lock_file import LockFile, Place

HOLD = """
import sys
from pathlib import Path
from worker.lock_file import LockFile
held = LockFile(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(home: Path, worker: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock of a worker."""
    command = [sys.executable, "-P", "-c", HOLD, str(home), worker]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def hold_a_job(store: Database, worker: str) -> str:
    waiting = submit(store, worker)
    with store.write() as connection:
        runs.register(connection, worker)
        lease = runs.claim(connection, worker)
        assert lease is not None
        assert lease.job_id == waiting
    return waiting


def is_known(store: Database, worker: str) -> bool:
    with store.read() as connection:
        return workers.find(connection, worker) is not None


def test_the_jobs_of_a_killed_worker_go_on_at_once_and_never_those_of_a_living_one(
    settings: Settings, store: Database
) -> None:
    with holder(settings.home, "wrk_dead") as dead, holder(settings.home, "wrk_live"):
        theirs, ours = hold_a_job(store, "wrk_live"), hold_a_job(store, "wrk_dead")
        predecessors.bury(store, settings.home)
        assert job(store, ours).status is Status.RUNNING
        kill(dead)
        predecessors.bury(store, settings.home)
        assert job(store, ours).status is Status.QUEUED
        assert job(store, theirs).status is Status.RUNNING
        assert (is_known(store, "wrk_dead"), is_known(store, "wrk_live")) == (False, True)
        assert [each.worker_id for each in lock_file.found(settings.home)] == ["wrk_live"]


def test_a_drain_outlives_a_crash(settings: Settings, store: Database) -> None:
    with holder(settings.home, "wrk_dead") as dead:
        with store.write() as connection:
            runs.register(connection, "wrk_dead")
            workers.drain(connection, "wrk_dead", "a new disk")
        kill(dead)
    drain = predecessors.bury(store, settings.home)
    assert drain is not None
    with store.write() as connection:
        runs.register(connection, "wrk_dead_too")
        workers.leave(connection, "wrk_dead_too")
        workers.register(connection, "wrk_new", runs.OFFER, drain)
        kept = workers.get(connection, "wrk_new").drain
    assert kept == drain
    assert kept.drain_reason == "a new disk"


@pytest.mark.parametrize("silent", [False, True])
def test_a_lock_of_another_machine_counts_only_where_its_worker_is_silent(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    with holder(settings.home, "wrk_1") as other:
        held = hold_a_job(store, "wrk_1")
        kill(other)
    monkeypatch.setattr(Place, "here", classmethod(lambda _: Place("another boot", "")))
    if silent:
        monkeypatch.setattr(workers, "any_alive", lambda *_: False)
    predecessors.bury(store, settings.home)
    assert (job(store, held).status is Status.QUEUED) is silent


def test_only_workers_of_this_container_count_for_its_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = LockFile(tmp_path, "wrk_1")
    here = Place.here()
    monkeypatch.setattr(Place, "here", classmethod(lambda _: Place(here.boot, "another container")))
    theirs = LockFile(tmp_path, "wrk_2")
    assert lock_file.ids_here(tmp_path) == ["wrk_2"]
    monkeypatch.undo()
    assert lock_file.ids_here(tmp_path) == ["wrk_1"]
    mine.close()
    theirs.close()
    assert lock_file.found(tmp_path) == []


def test_a_damaged_lock_file_is_no_obstacle(settings: Settings, store: Database) -> None:
    folder = settings.home / "workers"
    folder.mkdir()
    (folder / "wrk_1.lock").write_bytes(b"\xff\xfe")
    (folder / "wrk_2.lock").touch()
    with store.write() as connection:
        jobs.submit(connection, SPEC)
    assert predecessors.bury(store, settings.home) is None
