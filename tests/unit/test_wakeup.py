"""What ends a wait. A wait that nothing ends is ended by the time limit of the test."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from app.store import database, doorbell
from app.store.database import Database
from worker.wakeup import Wakeup

FOREVER = 1e6


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = database.connect(tmp_path / "traind.db")
    with opened.write() as connection:
        connection.exec_driver_sql("CREATE TABLE anything (n INTEGER)")
    yield opened
    opened.close()


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that were handled."""
    numbers: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGUSR1, before)


def test_a_ring_ends_the_wait_of_every_worker_but_the_ringers(store: Database) -> None:
    with (
        closing(Wakeup(store)) as ringer,
        closing(Wakeup(store)) as first,
        closing(Wakeup(store)) as second,
    ):
        ringer.ring_others()
        for each in (first, second):
            assert each.wait([], FOREVER)
            assert not each.wait([], 0), "it is heard once"
        assert not ringer.wait([], 0)


def test_a_signal_ends_a_wait_also_if_it_came_just_before(
    store: Database, heard: list[int]
) -> None:
    with closing(Wakeup(store)) as wakeup:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert heard == [signal.SIGUSR1], "Python has handled it: poll is not interrupted"
        assert not wakeup.wait([], FOREVER)
        sender = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))
        sender.start()
        wakeup.wait([], FOREVER)
        sender.join()
        assert wait([wakeup._signals], 0) == [], "each ends one wait, not every later one"
    assert len(heard) == 2


def test_a_run_that_reports_ends_a_wait(store: Database) -> None:
    ours, theirs = os.pipe()
    with closing(Wakeup(store)) as wakeup:
        os.write(theirs, b"!")
        assert not wakeup.wait([ours], FOREVER)
    os.close(ours)
    os.close(theirs)


def test_a_bell_that_was_removed_is_hung_again(store: Database, tmp_path: Path) -> None:
    folder = tmp_path / "traind.db.bells"
    with closing(Wakeup(store)) as wakeup:
        (removed,) = folder.iterdir()
        removed.unlink()
        folder.rmdir()
        assert not wakeup.wait([], 0)
        doorbell.ring(store)
        assert wakeup.wait([], FOREVER)


def test_without_a_bell_the_time_ends_a_wait(store: Database, tmp_path: Path) -> None:
    (tmp_path / "traind.db.bells").touch()
    with closing(Wakeup(store)) as wakeup:
        assert not wakeup.has_bell
        wakeup.ring_others()
        assert not wakeup.wait([], 0.001)


def test_a_bell_that_could_not_be_hung_is_tried_again(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.wakeup.AGAIN_SECONDS", 0.0)
    in_its_place = tmp_path / "traind.db.bells"
    in_its_place.touch()
    with closing(Wakeup(store)) as wakeup:
        assert not wakeup.wait([], 0)
        assert not wakeup.has_bell
        in_its_place.unlink()
        while not wakeup.has_bell:
            wakeup.wait([], 0)
        doorbell.ring(store)
        assert wakeup.wait([], FOREVER)


def test_a_closed_one_leaves_signals_as_they_were(store: Database) -> None:
    before = signal.set_wakeup_fd(-1)
    Wakeup(store).close()
    assert signal.set_wakeup_fd(before) == -1
