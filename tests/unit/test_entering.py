"""A worker that cannot write its lock file tries again, takes no job before, and leaves nothing."""

import errno
import os
import time
from pathlib import Path

import psutil
import pytest

from app.codes import Status
from app.settings import Settings
from app.store import datasets, jobs, recovery, workers
from app.store.database import Connection, Database
from app.store.disk import FolderUnwritable
from app.store.errors import DatabaseBusy, StorageFull
from tests import runs
from tests.unit.scripted import ScriptedEngine, ScriptedRun, job, submit, work
from worker import lock_file, predecessors
from worker.lock_file import LockFile, Place
from worker.messages import Measured


class FullDisk:
    """A disk on which the words of a lock file find no room until it is emptied."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused = 0
        self.has_room = False
        self._write = os.write
        self._words = f"{Place.here().boot}\n".encode()
        monkeypatch.setattr(os, "write", self.write)

    def write(self, file: int, content: bytes) -> int:
        if self.has_room or not content.startswith(self._words):
            return self._write(file, content)
        self.refused += 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.home / "workers"


def dead(store: Database, settings: Settings, *names: str) -> None:
    """Registered workers whose processes have ended without a word."""
    for name in names:
        held = LockFile(settings.home, name)
        os.close(held._file)
        with store.write() as connection:
            runs.register(connection, name)


def test_a_failed_try_leaves_neither_a_file_nor_a_descriptor(
    settings: Settings, full: FullDisk, folder: Path
) -> None:
    for _ in range(2):
        with pytest.raises(StorageFull):
            LockFile(settings.home, "wrk_1")
        assert list(folder.iterdir()) == []
        opened = [Path(each.path).parent for each in psutil.Process().open_files()]
        assert folder not in opened
    full.has_room = True
    held = LockFile(settings.home, "wrk_1")
    assert [each.worker_id for each in lock_file.found(settings.home)] == ["wrk_1"]
    held.close()


def test_a_file_in_the_place_of_the_folder_is_named(settings: Settings, folder: Path) -> None:
    folder.touch()
    with pytest.raises(FolderUnwritable, match="TRAIND_HOME/workers cannot be written to"):
        LockFile(settings.home, "wrk_1")


def test_a_worker_enters_once_the_disk_has_room_and_takes_nothing_before(
    settings: Settings,
    store: Database,
    full: FullDisk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = settings.home / "workers"
    waiting = submit(store, "first")
    with store.write() as connection:
        uploaded = datasets.create(connection, "cats", "image", {}).id
        datasets.uploaded(connection, uploaded, "0" * 64, 1)
    seen = []

    def until() -> bool:
        if not full.has_room:
            with store.read() as connection:
                known = workers.listed(connection)
                imported = datasets.get(connection, uploaded).status
            seen.append((job(store, waiting).status, imported, len(known), list(folder.iterdir())))
            full.has_room = full.refused >= 3
        return job(store, waiting).status is Status.SUCCEEDED

    work(settings, store, ScriptedEngine(first=ScriptedRun(Measured())), until, monkeypatch)
    assert full.refused >= 3
    assert seen == [(Status.QUEUED, "queued", 0, [])] * len(seen)
    told = [each for each in caplog.records if "enter: The disk" in each.getMessage()]
    assert told
    assert all(each.exc_info is None for each in told)
    assert list(folder.iterdir()) == []


def test_a_drain_outlives_a_full_disk(
    settings: Settings, store: Database, full: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.has_room = True
    dead(store, settings, "wrk_dead")
    full.has_room = False
    with store.write() as connection:
        workers.drain(connection, "wrk_dead", "a new disk")
    drains = []

    def until() -> bool:
        full.has_room = full.refused >= 2
        with store.read() as connection:
            found = [each for each in workers.listed(connection) if each.id != "wrk_dead"]
        drains.extend(each.drain.drain_reason if each.drain else "" for each in found)
        return bool(found)

    work(settings, store, ScriptedEngine(), until, monkeypatch)
    assert drains == ["a new disk"]


def test_a_burial_that_fails_halfway_is_none(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain of the first is found by the next try, too."""
    dead(store, settings, "wrk_1", "wrk_2")
    with store.write() as connection:
        workers.drain(connection, "wrk_1", "a new disk")
    requeue = recovery.requeue_of

    def refuse_second(connection: Connection, worker: str) -> int:
        if worker == "wrk_2":
            raise DatabaseBusy
        return requeue(connection, worker)

    monkeypatch.setattr(recovery, "requeue_of", refuse_second)
    with pytest.raises(DatabaseBusy):
        predecessors.bury(store, settings.home)
    monkeypatch.setattr(recovery, "requeue_of", requeue)
    drain = predecessors.bury(store, settings.home)
    assert drain is not None
    assert drain.drain_reason == "a new disk"
    assert lock_file.found(settings.home) == []


def test_what_earlier_workers_left_unfinished_is_swept_once_it_is_stale(
    settings: Settings, store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    stale, fresh = folder / "wrk_old.new", folder / "wrk_starting.new"
    for each in (stale, fresh):
        each.touch()
    an_hour_ago = time.time() - lock_file.STALE_SECONDS - 1
    os.utime(stale, (an_hour_ago, an_hour_ago))
    first = submit(store, "first")
    engine = ScriptedEngine(first=ScriptedRun(Measured()))
    work(settings, store, engine, lambda: job(store, first).status is Status.SUCCEEDED, monkeypatch)
    assert list(folder.iterdir()) == [fresh]
    with store.read() as connection:
        assert jobs.get(connection, first).attempt == 1
