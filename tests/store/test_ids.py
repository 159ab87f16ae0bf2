"""Ids sort by the time of the database, whatever the clock of the machine says."""

import time

import pytest
from ulid import ULID

from app.store import database, jobs
from app.store.database import Database
from tests.store.test_leases import SPEC, submit

HOUR = 3600.0


@pytest.mark.postgresql
def test_a_machine_whose_clock_is_fast_does_not_jump_the_queue(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() - HOUR)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - int(HOUR * 1e9))
    behind = submit(store)
    monkeypatch.undo()
    with store.write() as connection:
        at = database.now(connection) / 1e6
        right = jobs.submit(connection, SPEC).id
    assert abs(ULID.from_str(behind.removeprefix("job_")).timestamp - at) < 60
    assert behind < right


@pytest.mark.postgresql
def test_a_fast_clock_is_not_before_a_right_one(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(HOUR * 1e9))
    ahead = submit(store)
    monkeypatch.undo()
    time.sleep(0.002)  # an id tells milliseconds
    assert ahead < submit(store)
