"""What the policy keeps and what it drops."""

from pathlib import Path

import pytest

from app.store import (
    aliases,
    backup,
    checkpoints,
    events,
    jobs,
    metrics,
    retention,
    trained_models,
)
from app.store import database as databases
from app.store.backup import BackupRefused
from app.store.database import Database
from app.store.errors import ModelNotFound
from app.store.events import NewEvent
from app.store.metrics import Point
from app.store.retention import Policy
from tests import runs
from tests.store.test_leases import MODEL, held


def finish(store: Database) -> tuple[str, str]:
    """A job with a log, a curve and a model; returns the ids of the job and the model."""
    lease = held(store)
    with store.write() as connection:
        runs.record(
            connection,
            lease,
            events=[NewEvent("log", "a line")],
            points=[Point("running_loss", 1, 1, 0.5)],
        )
        return lease.job_id, runs.succeed(connection, lease, MODEL)


def prune(store: Database, policy: Policy) -> None:
    with store.write() as connection:
        while retention.prune(connection, policy):
            pass


def test_older_jobs_keep_their_record_and_models_that_are_named(store: Database) -> None:
    made = [finish(store) for _ in range(30)]
    with store.write() as connection:
        aliases.promote(connection, "production", made[0][1])
        aliases.promote(connection, "production", made[1][1])
    prune(store, Policy(jobs=3, checkpoints=3))
    with store.read() as connection:
        for number, (job_id, model_id) in enumerate(made):
            is_kept = number >= 27
            assert jobs.get(connection, job_id).status == "succeeded"
            kinds = [event.kind for event in events.after(connection, job_id, 0, 100)]
            assert ("log" in kinds) is is_kept
            assert kinds.count("state") == 3
            assert ("pruned" in kinds) is not is_kept
            assert bool(metrics.points(connection, job_id, None, 10)) is is_kept
            if is_kept or number < 2:  # production, and what it can be rolled back to
                assert trained_models.file(connection, model_id, "weights")[0] == b"w"
            else:
                with pytest.raises(ModelNotFound):
                    trained_models.get(connection, model_id)
    before = total_events(store, made[0][0])
    prune(store, Policy(jobs=3, checkpoints=3))
    assert total_events(store, made[0][0]) == before


def total_events(store: Database, job_id: str) -> int:
    with store.read() as connection:
        return jobs.get(connection, job_id).last_event


def test_old_checkpoints_are_dropped_and_those_of_live_jobs_kept(store: Database) -> None:
    live = held(store)
    with store.write() as connection:
        runs.record(connection, live, checkpoint=(1, b"c"))
    ended = []
    for _ in range(3):
        lease = held(store)
        with store.write() as connection:
            runs.record(connection, lease, checkpoint=(1, b"c"))
            runs.cancel(connection, lease)
        ended.append(lease)
    prune(store, Policy(jobs=100, checkpoints=1))
    with store.read() as connection:
        kept = [checkpoints.newest(connection, each.job_id) for each in (live, *ended)]
    assert [each is not None for each in kept] == [True, False, False, True]


def test_a_long_log_is_thinned_out_and_its_end_is_whole(store: Database) -> None:
    lease = held(store)
    for batch in range(100):
        lines = [NewEvent("log", f"line {batch * 100 + line}") for line in range(100)]
        with store.write() as connection:
            runs.record(connection, lease, events=lines)
    with store.read() as connection:
        found = events.after(connection, lease.job_id, 0, 20_000)
    lines = [event.message for event in found if event.kind == "log"]
    assert len(lines) <= events.MOST_OLDER + 2 * events.NEWEST
    assert lines[0] == "line 0"
    assert lines[-900:] == [f"line {number}" for number in range(9100, 10_000)]
    assert sum(event.kind == "state" for event in found) == 2


@pytest.mark.sqlite
def test_a_backup_refuses_to_overwrite_and_leaves_nothing_half_made(
    store: Database, tmp_path: Path
) -> None:
    finish(store)
    backup.back_up(store, tmp_path / "copy.db")
    with pytest.raises(BackupRefused, match="exists"):
        backup.back_up(store, tmp_path / "copy.db")
    with pytest.raises(BackupRefused):
        backup.back_up(store, tmp_path / "no such folder" / "copy.db")
    assert not list(tmp_path.glob("*.partial"))
    copy = databases.connect(f"sqlite:///{tmp_path / 'copy.db'}")
    with copy.read() as connection:
        assert len(jobs.newest(connection, 10)) == 1
    copy.close()
