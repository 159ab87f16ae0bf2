"""Faults of what follows an end cost neither the model nor the worker."""

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.codes import Status
from app.store import retries, tables
from app.store.database import Database
from tests.diagnosed import diagnosis
from tests.store.test_autopilot import TOO_HIGH, count, end, follow_up, spec, start, told
from tests.store.test_leases import job
from worker import follow_ups


def test_a_fault_of_what_follows_costs_neither_the_model_nor_the_worker(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a stored specification is not valid any more")

    lease = start(store, spec())
    with monkeypatch.context() as broken:
        broken.setattr(retries, "best", fail)
        end(store, lease, diagnosis(TOO_HIGH), accuracy=0.5)
    ended = job(store, lease.job_id)
    assert ended.status is Status.SUCCEEDED
    assert ended.model_id
    assert told(store, lease.job_id) == []
    make_due(store)
    follow_up(store)  # the fault has been mended meanwhile
    assert told(store, lease.job_id)[-1].startswith("autopilot: learning rate too high")
    assert count(store) == 2


def test_what_fails_again_and_again_is_given_up_and_said(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(retries, "best", fail)
    lease = start(store, spec())
    end(store, lease, diagnosis(TOO_HIGH), accuracy=0.5)
    for _ in range(1, follow_ups.MAX_ATTEMPTS):
        assert told(store, lease.job_id) == []
        make_due(store)
        follow_up(store)
    assert told(store, lease.job_id) == ["autopilot: gave up after 5 attempts: ValueError: no"]
    make_due(store)
    assert not follow_ups.work_off(store)
    assert count(store) == 1


def test_a_database_that_is_away_is_no_attempt(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the server closed the connection"))

    lease = start(store, spec())
    with monkeypatch.context() as broken:
        broken.setattr(retries, "best", away)
        with pytest.raises(OperationalError):
            end(store, lease, diagnosis(TOO_HIGH), accuracy=0.5)
        for _ in range(follow_ups.MAX_ATTEMPTS):
            with pytest.raises(OperationalError):
                follow_ups.work_off(store)
    follow_up(store)
    assert told(store, lease.job_id)[-1].startswith("autopilot: learning rate too high")


def make_due(store: Database) -> None:
    """As if the wait of every postponed task were over."""
    with store.write() as connection:
        connection.execute(update(tables.outbox).values(due_at=0))
