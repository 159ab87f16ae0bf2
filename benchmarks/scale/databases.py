"""Databases to measure: a SQLite file, or a PostgreSQL server of our own as it comes."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from app.codes import Status
from app.jobspec import JobSpec
from app.store import database, jobs, leases, migrations
from app.store.database import Connection, Database
from app.store.outcomes import Succeeded
from app.store.tables import events as events_table
from app.store.tables import jobs as jobs_table
from tests import runs
from tests.postgresql import DURABILITY_OFF, Server, started

SPEC = JobSpec.model_validate({"dataset": {"name": "digits"}}).model_dump(mode="json")
SERIES = (
    "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < :count) "
)


@contextmanager
def server(connections: int) -> Iterator[Server]:
    """A PostgreSQL server that syncs each commit and takes so many connections."""
    with contextmanager(started)() as found:
        for setting in DURABILITY_OFF:
            found.execute(f"ALTER SYSTEM RESET {setting}")
        found.execute(f"ALTER SYSTEM SET max_connections = {connections}")
        found.stop()
        found.start()
        yield found


@contextmanager
def opened(kind: str, connections: int = 100) -> Iterator[str]:
    """The address of an empty database of this kind, migrated."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'traind.db'}"
            _migrate(url)
            yield url
        return
    with server(connections) as found:
        url = found.url(found.make())
        _migrate(url)
        yield url


def _migrate(url: str) -> None:
    store = database.connect(url)
    migrations.migrate(store)
    store.close()


def finish_many(store: Database, count: int) -> None:
    """Adds finished jobs with the events that are kept of one: copies of one that has ended."""
    if not count:
        return
    with store.write() as connection:
        job_id = jobs.submit(connection, SPEC).id
        lease = runs.claim(connection)
        assert lease is not None
        assert lease.job_id == job_id
        leases.release(connection, lease, Succeeded(None))
    _copy(store, job_id, count, Status.SUCCEEDED)


def queue_many(store: Database, count: int) -> None:
    """Adds waiting jobs: copies of one."""
    with store.write() as connection:
        job_id = jobs.submit(connection, SPEC).id
    _copy(store, job_id, count - 1, Status.QUEUED)


def _copy(store: Database, job_id: str, count: int, status: Status) -> None:
    if count < 1:
        return
    with store.read() as connection:
        first = 10_000_000 + connection.execute(text("SELECT count(*) FROM jobs")).scalar_one()
    new = f"'job_' || '000000000000000000' || CAST({first} + n AS TEXT)"  # as long as an id is
    with store.rebuild() as connection:  # may take its time
        for table, key in ((jobs_table, "id"), (events_table, "job_id")):
            names = [column.name for column in table.columns]
            taken = ", ".join(new if name == key else name for name in names)
            copied = f"{SERIES} SELECT {taken} FROM {table.name}, series WHERE {key} = :job"  # noqa: S608
            into = f"INSERT INTO {table.name} ({', '.join(names)}) {copied}"
            connection.execute(text(into), {"count": count, "job": job_id})
    with store.read() as connection:
        _check(connection, status, count)
    if store.path is None:
        _analyze(store)


def _check(connection: Connection, status: Status, count: int) -> None:
    query = text("SELECT count(*) FROM jobs WHERE status = :status")
    assert connection.execute(query, {"status": status}).scalar_one() >= count


def _analyze(store: Database) -> None:
    """As autovacuum does within a minute."""
    with store.rebuild() as connection:
        connection.execute(text("ANALYZE"))
