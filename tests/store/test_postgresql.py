"""What only a database server does: its errors, its notifications, what it cannot store."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.engine import make_url

from app.jobspec import JobSpec
from app.store import (
    database,
    events,
    jobs,
    leases,
    migrations,
    tables,
    trained_models,
)
from app.store.conflicts import WriteConflict, retried
from app.store.database import Connection, Database, OperationalError
from app.store.errors import DatabaseBusy, DatabaseMissing, DatabaseUnavailable, StorageFull
from app.store.events import NewEvent
from tests import runs
from tests.postgresql import Server
from tests.store.test_leases import SPEC, held, job, submit
from tests.store.test_retention import finish

pytestmark = pytest.mark.postgresql


@pytest.fixture
def opened(migrated_url: str) -> Iterator[Database]:
    """The same database, impatient, as another process opens it."""
    other = database.connect(migrated_url, busy_seconds=0.2)
    yield other
    other.close()


def lock(connection: Connection, job_id: str) -> None:
    connection.execute(update(tables.jobs).filter_by(id=job_id).values(name="locked"))


def test_a_write_waits_for_a_row_no_longer_than_it_is_told(
    store: Database, opened: Database
) -> None:
    job_id = submit(store)
    with store.write() as connection:
        lock(connection, job_id)
        with pytest.raises(DatabaseBusy), opened.write() as other:
            lock(other, job_id)
    with opened.write() as other:
        lock(other, job_id)


def test_two_writes_that_wait_for_each_other_are_both_done(store: Database) -> None:
    job_ids = [submit(store) for _ in range(2)]
    together = threading.Barrier(2)
    tries: list[str] = []

    def rename(first: str, second: str) -> None:
        @retried
        def write() -> None:
            tries.append(first)
            with store.write() as connection:
                lock(connection, first)
                if len(tries) <= 2:
                    together.wait(10)
                lock(connection, second)

        write()

    threads = [threading.Thread(target=rename, args=each) for each in (job_ids, reversed(job_ids))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3
    assert {job(store, job_id).name for job_id in job_ids} == {"locked"}


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("40001", WriteConflict),
        ("40P01", WriteConflict),
        ("53100", StorageFull),
        ("53300", DatabaseBusy),
        ("57P01", OperationalError),  # the server shuts down
    ],
)
def test_errors_of_the_server_are_those_of_the_store(
    store: Database, state: str, error: type[Exception]
) -> None:
    fail = text(f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END $$")
    with pytest.raises(error) as raised, store.write() as connection:
        connection.execute(fail)
    assert type(raised.value) is error


def test_a_server_that_was_started_again_is_used_again(
    migrated_url: str, store: Database, postgresql: Server
) -> None:
    submit(store)
    name = make_url(migrated_url).database
    with pytest.raises(OperationalError), store.write() as connection:
        postgresql.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
        )
        runs.register(connection)
    with store.write() as connection:  # the pool has noticed
        runs.register(connection)


def test_a_database_without_a_schema_is_missing_and_one_without_a_server_cannot_be_opened(
    url: str,
) -> None:
    with pytest.raises(DatabaseMissing):
        database.connect(url, create=False)
    for wrong, why in (
        (make_url(url).set(database="nowhere"), 'database "nowhere" does not exist'),
        (make_url(url).set(query={"host": "/nowhere"}), "/nowhere"),
        (make_url(url).set(drivername="postgresql+asyncpg"), r"postgresql\+psycopg://"),
        (make_url("mysql://host/name"), "only sqlite"),
    ):
        with pytest.raises(DatabaseUnavailable, match=why):
            database.connect(wrong.render_as_string(hide_password=False))


def test_a_plain_address_means_psycopg_and_its_password_is_not_shown(url: str) -> None:
    database.connect(url.replace("+psycopg", "")).close()
    secret = make_url("postgresql://me:secret@localhost:1/name?connect_timeout=1")
    with pytest.raises(DatabaseUnavailable) as raised:
        database.connect(secret.render_as_string(hide_password=False))
    assert "secret" not in str(raised.value)


def test_reads_see_one_state_and_write_nothing(store: Database) -> None:
    job_id = submit(store)
    with store.read() as connection:
        before = jobs.get(connection, job_id)
        with store.write() as other:
            jobs.request_cancel(other, job_id)
        assert jobs.get(connection, job_id) == before
    with pytest.raises(Exception, match="read-only"), store.read() as connection:
        lock(connection, job_id)


def test_what_the_server_cannot_store_is_kept_out(store: Database) -> None:
    lease = held(store)
    with store.write() as connection:
        said = [NewEvent("log", "a \0 b", {"quoted": ["\0", "\\u0000"], "loss": float("nan")})]
        runs.record(connection, lease, events=said, metrics={"train_loss": float("inf")})
    with store.read() as connection:
        last = events.after(connection, lease.job_id, 0, 9)[-1]
    assert last.message == "a \ufffd b"
    assert last.data == {"quoted": ["\ufffd", "\\u0000"], "loss": None}
    assert job(store, lease.job_id).metrics == {"train_loss": None}


def test_labels_are_found_beside_any_text(store: Database) -> None:
    labels = {"a b": "it's \\ \u2028", "x": "1"}
    spec = JobSpec.model_validate({"labels": labels}).model_dump(mode="json")
    with store.write() as connection:
        wanted = jobs.submit(connection, spec).id
        jobs.submit(connection, SPEC)
    with store.read() as connection:
        assert [each.id for each in jobs.newest(connection, 9, labels=labels)] == [wanted]


def test_leases_and_times_are_by_the_clock_of_the_server(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    lease = held(store)
    with store.read() as connection:
        at = database.now(connection)
        columns = select(tables.jobs.c.lease_expires_at).filter_by(id=lease.job_id)
        until_then = connection.execute(columns).scalar_one()
    assert at > 1_700_000_000_000_000
    assert 0 < until_then - at <= leases.LEASE


def test_what_is_acknowledged_is_stored_whatever_the_default_of_the_server(store: Database) -> None:
    for connections in (store.read, store.write):
        with connections() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_a_dump_is_a_backup(
    store: Database, url: str, migrated_url: str, postgresql: Server, tmp_path: Path
) -> None:
    _, model = finish(store)
    target, source = (each.replace("+psycopg", "") for each in (url, migrated_url))
    postgresql.run("pg_dump", "--format=custom", f"--file={tmp_path}/traind.dump", source)
    postgresql.run("pg_restore", f"--dbname={target}", "--no-owner", f"{tmp_path}/traind.dump")
    with closing(database.connect(url)) as restored:
        migrations.migrate(restored)
        with restored.read() as connection:
            assert trained_models.file(connection, model, "weights")[0] == b"w"


def test_a_process_that_died_while_it_migrated_holds_up_nobody(
    url: str, postgresql: Server
) -> None:
    assert postgresql
    die = (
        "import os, sys\nfrom app.store import database\n"
        "with database.connect(sys.argv[1]).migrating(): os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", die, url], check=True)
    opened = database.connect(url)
    migrations.migrate(opened)
    assert migrations.schema_of(opened) == migrations.SCHEMA
    opened.close()
