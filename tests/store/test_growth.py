"""What grows stays flat: pruning with many models protected, quotas, aliases of autopilot."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select

from app.store import aliases, checkpoints, jobs, keys, metrics, retention, stored
from app.store.database import Database
from app.store.errors import QuotaExceeded
from app.store.keys import Limits, Scope
from app.store.metrics import Point
from app.store.retention import Policy
from app.store.tables import jobs as jobs_table
from app.store.tables import models
from tests import runs
from tests.store.test_leases import MODEL, SPEC, held
from tests.store.test_retention import finish, prune

VARIABLES = 32_766
"""Most values that SQLite binds in one statement, as it is built by default."""


@contextmanager
def bound(connection: Connection) -> Iterator[list[int]]:
    """How many values each statement binds, of those that are executed once."""
    counts: list[int] = []

    def note(*called: Any) -> None:
        _connection, _cursor, _statement, values, _context, executemany = called
        if not executemany:
            counts.append(len(values))

    event.listen(connection, "before_cursor_execute", note)
    yield counts
    event.remove(connection, "before_cursor_execute", note)


def test_a_prune_binds_no_value_for_each_model_that_is_protected(store: Database) -> None:
    finish(store)
    count = 300
    with store.write() as connection:
        model = dict(connection.execute(select(models)).one()._mapping)
        job = dict(connection.execute(select(jobs_table)).one()._mapping)
        job |= {"status": "succeeded", "pruned_at": 1, "stored_bytes": 1}
        for number in range(count):
            connection.execute(insert(jobs_table).values(job | {"id": f"job_0{number}"}))
            values = {"id": f"model_{number}", "job_id": f"job_0{number}"}
            connection.execute(insert(models).values(model | values))
            aliases.promote(connection, f"a{number}", f"model_{number}")
    with store.write() as connection, bound(connection) as counts:
        assert retention.prune(connection, Policy(jobs=0, checkpoints=0)) == 1
        assert len(connection.execute(select(models.c.id)).all()) == count + 1
    assert counts
    assert max(counts) < 50


def test_an_alias_that_was_removed_keeps_no_model(store: Database) -> None:
    (_, old), _ = finish(store), finish(store)
    with store.write() as connection:
        aliases.promote(connection, "canary", old)
        while retention.prune(connection, Policy(jobs=1, checkpoints=1)):
            pass
        assert connection.execute(select(models.c.id).where(models.c.id == old)).one()
        aliases.remove(connection, "canary")
        while retention.prune(connection, Policy(jobs=1, checkpoints=1)):
            pass
        assert connection.execute(select(models.c.id).where(models.c.id == old)).all() == []


def key_of(store: Database, **limits: Any) -> str:
    with store.write() as connection:
        return keys.create(connection, "k", frozenset({Scope.WRITE}), Limits(**limits))[0].id


def test_a_quota_counts_what_is_stored_now_and_nothing_that_was_dropped(store: Database) -> None:
    key = key_of(store, stored_bytes=100)
    with store.write() as connection:
        job_id = jobs.submit(connection, SPEC, key_id=key).id
        lease = runs.claim(connection, "wrk_1")
        assert lease is not None
        for step in (1, 2, 3):
            checkpoints.keep(connection, job_id, step, b"c" * 30)
        assert stored.of_key(connection, key) == 60  # two checkpoints
        runs.succeed(connection, lease, replace(MODEL, files={"weights": b"w" * 100}))
        assert stored.of_key(connection, key) == 100
        with pytest.raises(QuotaExceeded, match="keep 100 bytes"):
            jobs.submit(connection, SPEC, key_id=key)
    finish(store)
    finish(store)
    prune(store, Policy(jobs=1, checkpoints=1))
    with store.write() as connection:
        assert stored.of_key(connection, key) == 0
        jobs.submit(connection, SPEC, key_id=key)


@pytest.mark.sqlite
def test_nothing_is_searched_in_the_whole_history_while_the_write_lock_is_held(
    store: Database,
) -> None:
    """Submitting and pruning read no table from end to end."""
    key = key_of(store, jobs=5, stored_bytes=1000)
    finish(store)
    statements: list[tuple[str, Any]] = []
    with store.write() as connection:
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _c, _cursor, statement, values, *_: statements.append((statement, values)),
        )
        jobs.submit(connection, SPEC, key_id=key)
        retention.prune(connection, Policy(jobs=0, checkpoints=0))
        looked = [each for each in statements if each[0].startswith(("SELECT", "DELETE"))]
        plans = [
            (row.detail, statement)
            for statement, values in looked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    partial = ("ix_jobs_unpruned", "ix_jobs_outlived")  # these hold only what is left to do
    scans = [each for each in plans if each[0].startswith("SCAN") and each[0][-16:] not in partial]
    assert len(looked) > 10
    assert scans == []


def test_points_that_come_at_once_are_written_in_parts(store: Database) -> None:
    lease = held(store)
    points = [Point(f"curve {n % 5}", n, 1, 0.5) for n in range(VARIABLES // 2)]
    with store.write() as connection, bound(connection) as counts:
        metrics.append(connection, lease.job_id, points)
        found = metrics.points(connection, lease.job_id, None, VARIABLES)
    assert len(found) == len(points)
    assert max(counts) < VARIABLES // 10
