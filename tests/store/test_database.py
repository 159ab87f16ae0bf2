"""Transactions under many processes, and a schema that starts and upgrades cleanly."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from app.store import database, migrations
from app.store.database import Database
from app.store.errors import DatabaseBusy, DatabaseUnavailable, SchemaMismatch
from app.store.leases import HEARTBEAT_SECONDS, LEASE, SECOND
from app.store.tables import metadata
from tests.forking import forking
from worker.supervisor import DATABASE_SECONDS

PROCESSES = 4
INCREMENTS = 100


def count(url: str) -> None:
    """Reads a number and writes it back one larger, many times."""
    store = database.connect(url)
    for _ in range(INCREMENTS):
        with store.write() as connection:
            n = connection.execute(text("SELECT n FROM counter")).scalar_one()
            connection.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})


def open_empty(url: str) -> None:
    migrations.migrate(database.connect(url))


def run_together(work: Callable[[str], None], url: str) -> None:
    running = [forking().Process(target=work, args=(url,)) for _ in range(PROCESSES)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * PROCESSES


@pytest.mark.sqlite
@pytest.mark.parametrize("create", [True, False])
def test_a_home_that_may_not_be_written_to_is_named_whoever_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, create: bool
) -> None:
    """A folder in the place of the file is one more that SQLite cannot open."""
    file = tmp_path / "traind.db"
    file.mkdir()
    with pytest.raises(DatabaseUnavailable, match="unable to open database file"):
        database.connect(file, create=create)
    monkeypatch.setattr(os, "access", lambda place, _: place != tmp_path)
    with pytest.raises(DatabaseUnavailable, match=f"{tmp_path} is not writable for this user"):
        database.connect(file, create=create)


@pytest.mark.sqlite
def test_no_update_is_lost_between_processes(store: Database, url: str) -> None:
    with store.write() as connection:
        connection.execute(text("CREATE TABLE counter (n INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    run_together(count, url)
    with store.read() as connection:
        assert (
            connection.execute(text("SELECT n FROM counter")).scalar_one() == PROCESSES * INCREMENTS
        )


@pytest.mark.parametrize("attempt", range(3))
def test_processes_may_open_an_empty_database_together(url: str, attempt: int) -> None:  # noqa: ARG001
    run_together(open_empty, url)
    opened = database.connect(url)
    assert migrations.schema_of(opened) == migrations.SCHEMA
    opened.close()


@pytest.mark.sqlite
def test_connections_are_set_up_as_measured(store: Database) -> None:
    with store.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_a_failed_transaction_changes_nothing(store: Database) -> None:
    with pytest.raises(RuntimeError), store.write() as connection:
        connection.execute(text("INSERT INTO dataset_names VALUES ('w', 1)"))
        raise RuntimeError
    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM dataset_names")).scalar_one() == 0


def test_the_migrations_make_the_schema_that_the_code_uses(store: Database) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == migrations.SCHEMA


def of_schema(store: Database, version: str) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})


@pytest.mark.parametrize("version", ["9999", "0000", "b7d1"])
def test_a_schema_that_is_not_known_is_refused(store: Database, version: str) -> None:
    of_schema(store, version)
    with pytest.raises(SchemaMismatch, match=version):
        migrations.migrate(store)


@pytest.mark.parametrize("module", ["app", "worker"])
def test_a_process_that_does_not_know_the_schema_says_so_and_ends(
    store: Database, migrated_url: str, module: str, tmp_path: Path
) -> None:
    of_schema(store, "9999")
    environment = os.environ | {"TRAIND_DATABASE_URL": migrated_url, "TRAIND_PORT": "0"}
    environment |= {"TRAIND_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "The database has schema 9999, this traind knows" in line


@pytest.mark.sqlite
def test_a_write_waits_for_others_no_longer_than_it_is_told(store: Database, url: str) -> None:
    impatient = database.connect(url, busy_seconds=0.1)
    try:
        with store.write(), pytest.raises(DatabaseBusy), impatient.write():
            pass
    finally:
        impatient.close()


def test_a_worker_may_wait_for_several_writes_within_a_lease() -> None:
    assert DATABASE_SECONDS + HEARTBEAT_SECONDS < LEASE / SECOND / 2


def test_a_service_on_sqlite_loads_nothing_of_it(tmp_path: Path) -> None:
    look = (
        "import sys, app.main, worker.supervisor\n"
        "from app.store import database\n"
        "database.connect(sys.argv[1])\n"
        "named = ('psycopg', 'app.store.dialects.postgresql', 'app.store.dialects.notifications')\n"
        "print([each for each in sys.modules if each.startswith(named)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", look, f"sqlite:///{tmp_path}/t.db"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr
