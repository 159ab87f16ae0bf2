"""A server that answers nothing any more costs a bounded time, and its locks are taken back."""

import socket
from collections.abc import Iterator
from contextlib import closing

import psutil
import psycopg
import pytest
from sqlalchemy import text

from app.store import database
from app.store.database import Database, OperationalError
from app.store.dialects import patience, postgresql
from app.store.errors import DatabaseBusy

pytestmark = pytest.mark.postgresql


@pytest.fixture
def hurried(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database, opened by a process that waits for no answer for longer than half a second."""
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(postgresql, "STATEMENT_SECONDS", 60)
    with closing(database.connect(migrated_url, busy_seconds=0.2)) as opened:
        yield opened


def test_a_server_that_is_stopped_is_waited_for_no_longer_than_the_patience(
    hurried: Database,
) -> None:
    with pytest.raises(OperationalError, match="has said nothing"), hurried.write() as connection:
        stopped = psutil.Process(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        stopped.suspend()
        try:
            connection.execute(text("SELECT 1"))
        finally:
            stopped.resume()
    with hurried.read() as connection:  # by another connection
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_an_answer_that_comes_in_time_is_no_silence(hurried: Database) -> None:
    with hurried.read() as connection:
        rows = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)"
        assert len(connection.execute(text(rows)).all()) == 20_000
        connection.execute(text("SELECT pg_sleep(0.1)"))


def test_a_statement_that_takes_too_long_is_ended_by_the_server(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "STATEMENT_SECONDS", 0.1)
    with (
        closing(database.connect(migrated_url, busy_seconds=0.1)) as opened,
        pytest.raises(DatabaseBusy),
        opened.read() as connection,
    ):
        connection.execute(text("SELECT pg_sleep(60)"))


def test_a_migration_may_take_its_time(hurried: Database) -> None:
    with hurried.migrating(), hurried.rebuild() as connection:
        connection.execute(text("SELECT pg_sleep(1)"))
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"
    with pytest.raises(OperationalError), hurried.read() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "60200ms"
        connection.execute(text("SELECT pg_sleep(60)"))


def test_the_server_takes_back_the_locks_of_a_process_that_is_gone(store: Database) -> None:
    """A lease is 30 s: by then nobody holds the row of its job any more."""
    with store.write() as connection:
        idle = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
    assert idle == "20s"


def test_after_an_attempt_that_timed_out_the_next_ones_fail_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 3600.0)
    with socket.create_server(("127.0.0.1", 0), backlog=10) as silent:
        port = silent.getsockname()[1]
        given = {"host": "127.0.0.1", "port": port, "connect_timeout": 2}
        connector = patience.Connector(1.0)
        with pytest.raises(psycopg.errors.ConnectionTimeout) as first:
            connector.connect(None, None, (), given)
        with pytest.raises(psycopg.errors.ConnectionTimeout) as second:
            connector.connect(None, None, (), given | {"connect_timeout": 600})
    assert str(second.value) == str(first.value)
