"""A long history costs no time: submissions and pruning with 1,500 jobs and with 50,000.

Prints what each takes inside its write transaction, median of 50, and the ratio of the two.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert
from ulid import ULID

from app.jobspec import JobSpec
from app.store import database, jobs, keys, migrations, retention
from app.store.database import Database
from app.store.keys import Limits, Scope
from app.store.retention import Policy
from app.store.tables import events, metrics, model_files, models
from app.store.tables import jobs as jobs_table
from benchmarks.machine import described_when_idle

SHORT, LONG = 1_500, 50_000
"""Ended jobs of the two histories."""
POLICY = Policy(jobs=1_000, checkpoints=100)
ROUNDS = 50
LINES = 20
"""Lines of the log and points of the curve of each job of which everything is kept."""
MODEL_BYTES = 10_000
SPEC = JobSpec().model_dump(mode="json")


def history(store: Database, count: int) -> str:
    """Writes jobs as they are when they have ended and were pruned; returns the key of them all."""
    with store.write() as connection:
        limits = Limits(jobs=10 * ROUNDS, stored_bytes=10**12)
        key, _ = keys.create(connection, "benchmark", frozenset({Scope.WRITE}), limits)
        ids = [f"job_{ULID.from_timestamp(1.7e9 + number)}" for number in range(count)]
        connection.execute(insert(jobs_table), [ended(each, key.id) for each in ids])
        for pruned in ids[: -POLICY.jobs]:
            connection.execute(insert(events), list(record(pruned)))
        for kept in ids[-POLICY.jobs :]:
            whole(connection, kept)
    with store.write() as connection:
        while retention.prune(connection, POLICY):
            pass
    return key.id


def ended(job_id: str, key_id: str) -> dict[str, Any]:
    """The row of a job that has succeeded."""
    row = {"id": job_id, "name": "old", "labels": {}, "spec": SPEC, "status": "succeeded"}
    row |= {"created_at": 1, "started_at": 1, "ended_at": 2, "attempt": 1, "losses": 0}
    return row | {"cancel_requested": False, "last_event": 100, "metrics": {}, "key_id": key_id}


def record(job_id: str, kind: str = "state", count: int = 3, first: int = 1) -> Any:
    """Rows of events."""
    for number in range(first, first + count):
        yield {"job_id": job_id, "id": number, "at": 1, "kind": kind, "message": kind, "data": {}}


def whole(connection: Connection, job_id: str) -> None:
    """What is kept of a job beside its row: log, curve, model."""
    connection.execute(insert(events), list(record(job_id)))
    connection.execute(insert(events), list(record(job_id, "log", LINES, 4)))
    point = {"job_id": job_id, "name": "running_loss", "epoch": 1, "value": 0.5}
    connection.execute(insert(metrics), [point | {"step": step} for step in range(LINES)])
    model_id = f"model_{job_id[4:]}"
    empty = {"spec": SPEC, "signature": {}, "metrics": {}, "provenance": {}}
    row = {"id": model_id, "job_id": job_id, "name": "old", "created_at": 2} | empty
    connection.execute(insert(models), row | {"weights_sha256": "0" * 64})
    file = {"model_id": model_id, "kind": "weights", "sha256": "0" * 64}
    connection.execute(insert(model_files), file | {"content": os.urandom(MODEL_BYTES)})


def median_ms(store: Database, act: Callable[[Connection], object]) -> float:
    """Milliseconds that `act` takes inside a write transaction, without its commit."""
    times = []
    for _ in range(ROUNDS):
        with store.write() as connection:
            began = time.perf_counter()
            act(connection)
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def measure(count: int) -> dict[str, float]:
    """Milliseconds by action, on a database of its own with so many ended jobs."""
    with tempfile.TemporaryDirectory() as folder:
        store = database.connect(f"sqlite:///{Path(folder) / 'traind.db'}")
        migrations.migrate(store)
        key = history(store, count)
        found = {
            "submission": median_ms(store, lambda c: jobs.submit(c, SPEC, key_id=key)),
            "pruning, nothing to do": median_ms(store, lambda c: retention.prune(c, POLICY)),
        }
        store.close()
    return found


def main() -> None:
    """Measures both histories and prints the table."""
    print(described_when_idle("sqlalchemy"))
    short, long = measure(SHORT), measure(LONG)
    print(f"| ms in the write transaction | {SHORT:,} jobs | {LONG:,} jobs | ratio |")
    print("|---|---|---|---|")
    for what, before in short.items():
        print(f"| {what} | {before:.2f} | {long[what]:.2f} | {long[what] / before:.1f} |")


if __name__ == "__main__":
    main()
