"""The lease protocol: one holder at a time, fenced writes, one end."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Connection, update

from app.codes import FailureCode, Status, StopReason
from app.jobspec import JobSpec
from app.store import events, jobs, leases, metrics, recovery, trained_models
from app.store.database import Database, now
from app.store.errors import IllegalMove, LeaseLost, ModelNotFound
from app.store.events import NewEvent
from app.store.leases import LEASE, MAX_LOST_ATTEMPTS, Lease
from app.store.metrics import Point
from app.store.outcomes import Died, Failed, Outcome, Stopped, Succeeded
from app.store.tables import jobs as jobs_table
from app.store.trained_models import TrainedModel
from tests import runs

SPEC = JobSpec().model_dump(mode="json")
MODEL = TrainedModel(
    signature={"input_shape": [1, 28, 28]},
    metrics={"test_accuracy": 0.98, "confusion_matrix": [[1]]},
    provenance={},
    weights_sha256="0" * 64,
    files={"weights": b"w", "onnx": b"o"},
)

OUTCOMES: dict[str, Outcome] = {
    "succeeded": Succeeded(MODEL),
    "failed": Failed(FailureCode.INTERNAL, "m", "a"),
    "cancelled": Stopped(StopReason.CANCEL),
    "paused": Stopped(StopReason.PAUSE),
    "shut down": Stopped(StopReason.SHUTDOWN),
    "died": Died("the training process was killed by SIGKILL"),
}
WRITES: dict[str, Callable[[Connection, Lease], object]] = {
    "record": lambda connection, lease: runs.record(connection, lease, progress={"step": 1}),
    "measured": lambda connection, lease: runs.record(connection, lease, metrics={"a": 1.0}),
    **{name: partial(leases.release, outcome=outcome) for name, outcome in OUTCOMES.items()},
}


def submit(store: Database) -> str:
    with store.write() as connection:
        return jobs.submit(connection, SPEC).id


def claim(store: Database, worker: str = "wrk_1") -> Lease | None:
    with store.write() as connection:
        return runs.claim(connection, worker)


def held(store: Database) -> Lease:
    submit(store)
    lease = claim(store)
    assert lease is not None
    return lease


def job(store: Database, job_id: str) -> jobs.Job:
    with store.read() as connection:
        return jobs.get(connection, job_id)


def set_expiry(store: Database, lease: Lease, microseconds_from_now: int) -> None:
    with store.write() as connection:
        connection.execute(
            update(jobs_table)
            .where(jobs_table.c.id == lease.job_id)
            .values(lease_expires_at=now(connection) + microseconds_from_now)
        )


def test_the_oldest_waiting_job_is_claimed_first_and_each_job_once(store: Database) -> None:
    submitted = [submit(store) for _ in range(3)]
    claimed = [claim(store) for _ in range(4)]
    assert [lease.job_id for lease in claimed if lease] == submitted
    assert claimed[3] is None


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("takeover", ["another attempt", "ended"])
def test_no_write_of_a_lost_lease_is_accepted(
    store: Database, takeover: str, write: Callable[[Connection, Lease], object]
) -> None:
    lease = held(store)
    set_expiry(store, lease, -1)
    with store.write() as connection:
        assert recovery.requeue_expired(connection) == 1
    newer = claim(store, "wrk_2")
    assert newer is not None
    assert newer.attempt == lease.attempt + 1
    if takeover == "ended":
        with store.write() as connection:
            runs.cancel(connection, newer)
    before = job(store, lease.job_id)
    with pytest.raises(LeaseLost), store.write() as connection:
        write(connection, lease)
    assert job(store, lease.job_id) == before
    with store.read() as connection, pytest.raises(ModelNotFound):
        trained_models.get(connection, "latest")


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_run_whose_job_is_gone_has_lost_its_lease(
    store: Database, write: Callable[[Connection, Lease], object]
) -> None:
    lease = held(store)
    with store.write() as connection:
        for table in reversed(jobs_table.metadata.sorted_tables):
            connection.execute(table.delete())
    with pytest.raises(LeaseLost), store.write() as connection:
        write(connection, lease)


@pytest.mark.parametrize("offset", [-1, 2 * LEASE], ids=["run out", "given before a clock change"])
def test_an_expired_lease_is_taken_back(store: Database, offset: int) -> None:
    lease = held(store)
    set_expiry(store, lease, offset)
    with store.write() as connection:
        assert recovery.requeue_expired(connection) == 1
    assert job(store, lease.job_id).status is Status.QUEUED


def test_a_heartbeat_keeps_the_lease(store: Database) -> None:
    lease = held(store)
    set_expiry(store, lease, -1)
    with store.write() as connection:
        leases.heartbeat(connection, [lease])
        assert recovery.requeue_expired(connection) == 0


def test_a_job_that_kills_its_processes_fails_and_a_planned_stop_counts_nothing(
    store: Database,
) -> None:
    lease: Lease | None = held(store)
    for lost in range(1, MAX_LOST_ATTEMPTS + 1):
        assert lease is not None
        with store.write() as connection:
            runs.requeue(connection, lease)
        lease = claim(store)
        assert lease is not None
        with store.write() as connection:
            runs.lose(connection, lease, "the training process was killed by SIGKILL")
        ended = job(store, lease.job_id)
        assert (ended.status is Status.FAILED) == (lost == MAX_LOST_ATTEMPTS)
        lease = claim(store)
    assert ended.failure is not None
    assert ended.failure["code"] == "worker_lost"
    assert "SIGKILL" in ended.failure["message"]


def test_a_cancelled_job_whose_worker_died_ends_cancelled(store: Database) -> None:
    lease = held(store)
    with store.write() as connection:
        jobs.request_cancel(connection, lease.job_id)
    set_expiry(store, lease, -1)
    with store.write() as connection:
        recovery.requeue_expired(connection)
    assert job(store, lease.job_id).status is Status.CANCELLED


def test_success_publishes_the_model_with_its_job(store: Database) -> None:
    lease = held(store)
    with store.write() as connection:
        runs.record(connection, lease, metrics={"train_loss": 0.5})
        model_id = runs.succeed(connection, lease, MODEL)
    ended = job(store, lease.job_id)
    assert ended.status is Status.SUCCEEDED
    assert ended.model_id == model_id
    assert ended.metrics == {"train_loss": 0.5, "test_accuracy": 0.98}
    with store.read() as connection:
        assert trained_models.get(connection, "latest").id == model_id
        assert trained_models.file(connection, model_id, "weights")[0] == b"w"


def test_a_failed_publication_leaves_no_trace(store: Database) -> None:
    lease = held(store)
    with pytest.raises(RuntimeError), store.write() as connection:
        runs.succeed(connection, lease, MODEL)
        raise RuntimeError
    assert job(store, lease.job_id).status is Status.RUNNING
    with store.read() as connection, pytest.raises(ModelNotFound):
        trained_models.get(connection, "latest")


def test_a_new_attempt_starts_with_clean_curves(store: Database) -> None:
    lease = held(store)
    with store.write() as connection:
        runs.record(connection, lease, points=[Point("running_loss", 5, 1, 0.3)])
        runs.requeue(connection, lease)
    assert claim(store) is not None
    with store.read() as connection:
        assert metrics.points(connection, lease.job_id, None, 10) == []


def test_events_are_numbered_without_a_gap_within_their_job(store: Database) -> None:
    lease = held(store)
    other = submit(store)
    with store.write() as connection:
        runs.record(connection, lease, events=[NewEvent("log", "a"), NewEvent("log", "b")])
        jobs.request_cancel(connection, other)
    with store.read() as connection:
        mine = events.after(connection, lease.job_id, 0, 100)
        theirs = events.after(connection, other, 0, 100)
    assert [event.id for event in mine] == [1, 2, 3, 4]
    assert [event.message for event in theirs] == ["queued", "cancelled"]


def test_cancelling_is_repeatable_until_the_job_has_ended_otherwise(store: Database) -> None:
    waiting = submit(store)
    with store.write() as connection:
        for _ in range(2):
            assert jobs.request_cancel(connection, waiting).status is Status.CANCELLED
    lease = held(store)
    with store.write() as connection:
        assert jobs.request_cancel(connection, lease.job_id).cancel_requested
        runs.succeed(connection, lease, MODEL)
    with store.write() as connection, pytest.raises(IllegalMove):
        jobs.request_cancel(connection, lease.job_id)
