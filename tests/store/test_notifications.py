"""What processes hear of each other's commits by a server's notifications."""

import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import wait
from typing import Any

import pytest
from ulid import ULID

from app.store import database, doorbell, migrations
from app.store.database import Database, News, OperationalError
from app.store.dialects import notifications
from tests import runs
from tests.postgresql import Server, started
from tests.store.test_leases import job, submit
from tests.store.test_postgresql import opened
from tests.waiting import HANG_SECONDS, until

__all__ = ["opened"]

pytestmark = pytest.mark.postgresql


def rings(bell: Any, seconds: float = HANG_SECONDS) -> bool:
    rang = bool(wait([bell.fileno()], seconds))
    bell.hush()
    return rang


def test_a_commit_of_another_process_rings_and_changes_the_stamp(
    store: Database, opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "LOOK_SECONDS", 3600.0)
    bell, deaf = doorbell.hang(store), doorbell.hang(store, deaf_to_self=True)
    assert bell is not None
    assert deaf is not None
    assert rings(bell)  # it listens from now on
    assert rings(deaf)
    before = store.stamp()
    submit(opened)
    assert rings(bell)
    assert rings(deaf)
    assert store.stamp() != before
    submit(store)
    assert rings(bell)
    assert not rings(deaf, 0.2)
    with opened.write() as connection:  # nobody hears of it before its commit
        assert runs.claim(connection) is not None
        assert not rings(bell, 0.2)
    assert rings(bell)
    with pytest.raises(RuntimeError), opened.write() as connection:
        runs.register(connection)
        raise RuntimeError
    with opened.write():
        pass
    assert not rings(bell, 0.2)
    bell.close()
    deaf.close()


def test_neither_progress_nor_a_heartbeat_is_notified(
    store: Database, opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification wakes every process that listens, of whatever channel: it must be worth it."""
    monkeypatch.setattr(notifications, "LOOK_SECONDS", 3600.0)
    assert not store.tells_progress
    bell = doorbell.hang(store)
    assert bell is not None
    assert rings(bell)  # it listens from now on
    before = store.stamp()
    for news in (News.NONE, News.PROGRESS):
        with opened.write(news) as connection:
            runs.register(connection, f"wrk_{ULID()}")
    assert not rings(bell, 0.2)
    assert store.stamp() == before
    submit(opened)
    assert rings(bell)
    assert store.stamp() != before
    bell.close()


def test_among_many_workers_one_asks_later_and_once_for_several_commits(
    store: Database, opened: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications.random, "uniform", lambda _low, high: high)
    assert opened.look_seconds == notifications.LOOK_SECONDS
    bell = doorbell.hang(opened)
    assert bell is not None
    assert rings(bell)
    opened.spread_looks(notifications.FEW + 500)
    assert opened.look_seconds == 2.5
    began = time.monotonic()
    for _ in range(3):
        submit(store)
    assert rings(bell)
    assert time.monotonic() - began > 0.9  # 2 ms for each of 500
    opened.spread_looks(notifications.FEW)
    assert not rings(bell, 0.2)
    bell.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that may be killed."""
    yield from started()


def test_whoever_listens_goes_on_after_the_server_was_killed(own_server: Server) -> None:
    with closing(database.connect(own_server.url(own_server.make()))) as opened:
        migrations.migrate(opened)
        bell = doorbell.hang(opened)
        assert bell is not None
        assert rings(bell)
        own_server.kill()
        assert rings(bell)
        first = opened.stamp()
        until(lambda: opened.stamp() != first)  # it counts as changed while nobody knows
        with pytest.raises(OperationalError), opened.read():
            pass
        own_server.start()
        until(lambda: not rings(bell, 1.0))
        job_id = submit(opened)
        assert rings(bell)
        assert job(opened, job_id).status == "queued"
        bell.close()
