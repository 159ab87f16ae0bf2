"""One way out of a run: each wish, each outcome, in each order, has one legal end."""

from itertools import product

import pytest
from sqlalchemy import select, update

from app.codes import ENDED, FailureCode, Status, StopReason
from app.store import events, jobs, leases, recovery, tables, trained_models
from app.store.database import Database, now
from app.store.errors import IllegalMove, LeaseLost, ModelNotFound
from app.store.leases import LEASE, MAX_LOST_ATTEMPTS, Lease
from app.store.outcomes import Died, Failed, Outcome, Stopped, Succeeded
from app.store.recovery import CLOCK_TOLERANCE
from tests import runs
from tests.store.test_leases import MODEL, claim, held, job, set_expiry

WISHES: dict[str, list[str]] = {
    "none": [],
    "pause": ["pause"],
    "cancel": ["cancel"],
    "pause, cancel": ["pause", "cancel"],
    "pause, resume": ["pause", "resume"],
    "pause, resume, pause": ["pause", "resume", "pause"],
    "pause, resume, cancel": ["pause", "resume", "cancel"],
}
ASK = {"pause": jobs.request_pause, "cancel": jobs.request_cancel, "resume": jobs.resume}
OUTCOMES: dict[str, Outcome | None] = {
    "succeeded": Succeeded(MODEL),
    "failed": Failed(FailureCode.DIVERGED, "m", "a"),
    "stopped for a pause": Stopped(StopReason.PAUSE),
    "stopped for a cancel": Stopped(StopReason.CANCEL),
    "requeued for a shutdown": Stopped(StopReason.SHUTDOWN),
    "died": Died("killed"),
    "expired": None,
}


def end(store: Database, lease: Lease, outcome: Outcome | None) -> None:
    if outcome is None:
        set_expiry(store, lease, -1)
    with store.write() as connection:
        if outcome is None:
            assert recovery.requeue_expired(connection) == 1
        else:
            leases.release(connection, lease, outcome)


def ask(store: Database, job_id: str, wish: str) -> bool:
    """Whether the wish was acknowledged."""
    try:
        with store.write() as connection:
            ASK[wish](connection, job_id)
    except IllegalMove:
        return False
    return True


def expected(wishes: list[str], outcome: str) -> Status:
    """The state that a run ends in when its owner has asked for this before."""
    if outcome in {"succeeded", "failed"}:  # a result that is there stands
        return Status(outcome)
    match wishes[-1:]:
        case ["cancel"]:
            return Status.CANCELLED
        case ["pause"]:
            return Status.PAUSED
    return Status.QUEUED


CASES = [
    (name, outcome, before)
    for name, outcome in product(WISHES, OUTCOMES)
    for before in range(len(WISHES[name]) + 1)
]


@pytest.mark.parametrize(("name", "outcome", "before"), CASES)
def test_each_wish_and_outcome_in_each_order_has_one_legal_end(
    store: Database, name: str, outcome: str, before: int
) -> None:
    """The first `before` wishes come before the run's end, the others after it."""
    lease = held(store)
    wishes = WISHES[name]
    for wish in wishes[:before]:
        assert ask(store, lease.job_id, wish)
    end(store, lease, OUTCOMES[outcome])

    found = job(store, lease.job_id)
    assert found.status is expected(wishes[:before], outcome)
    assert not found.cancel_requested
    assert not found.pause_requested
    assert (found.ended_at is not None) == (found.status in ENDED)
    assert (found.model_id is not None) == (found.status is Status.SUCCEEDED)
    assert (found.failure is not None) == (found.status is Status.FAILED)
    assert free(store, lease.job_id)
    with pytest.raises(LeaseLost), store.write() as connection:
        leases.release(connection, lease, Succeeded(MODEL))

    for wish in wishes[before:]:
        acknowledged = ask(store, lease.job_id, wish)
        after = job(store, lease.job_id).status
        if acknowledged and wish == "cancel":
            assert after is Status.CANCELLED
        elif acknowledged and wish == "pause":
            assert after is Status.PAUSED
        elif acknowledged:
            assert after is Status.QUEUED
        else:
            assert after is found.status or after in ENDED
    assert len(endings(store, lease.job_id)) == (job(store, lease.job_id).status in ENDED)
    if job(store, lease.job_id).status is Status.QUEUED:  # it is not stuck: the next worker runs it
        again = claim(store)
        assert again is not None
        end(store, again, Succeeded(MODEL))
        assert job(store, lease.job_id).status is Status.SUCCEEDED


def free(store: Database, job_id: str) -> bool:
    """Whether no worker holds the job."""
    columns = select(tables.jobs.c.worker, tables.jobs.c.lease_expires_at)
    with store.read() as connection:
        return connection.execute(columns.where(tables.jobs.c.id == job_id)).one() == (None, None)


def endings(store: Database, job_id: str) -> list[str]:
    """The terminal states among the job's events."""
    with store.read() as connection:
        found = events.after(connection, job_id, 0, 100)
    return [each.data["status"] for each in found if each.data.get("status") in ENDED]


def test_a_cancel_after_a_pause_that_has_not_happened_yet_ends_the_job(store: Database) -> None:
    lease = held(store)
    for wish in ("pause", "cancel"):
        assert ask(store, lease.job_id, wish)
    with store.read() as connection:
        (standing,) = leases.standings(connection, [lease]).values()
    assert standing.wish is StopReason.CANCEL
    end(store, lease, Stopped(StopReason.PAUSE))  # it had heard of the pause only
    assert job(store, lease.job_id).status is Status.CANCELLED


def test_a_result_is_published_whole_or_not_at_all(store: Database) -> None:
    lease = held(store)
    with pytest.raises(RuntimeError), store.write() as connection:
        leases.release(connection, lease, Succeeded(MODEL))
        raise RuntimeError
    assert job(store, lease.job_id).status is Status.RUNNING
    with store.read() as connection, pytest.raises(ModelNotFound):
        trained_models.get(connection, "latest")


def lose(store: Database, checkpoint: int | None) -> jobs.Job:
    """A worker takes the job, keeps a checkpoint at this step, and dies."""
    lease = claim(store)
    assert lease is not None
    with store.write() as connection:
        if checkpoint is not None:
            runs.record(connection, lease, checkpoint=(checkpoint, b"c"))
        runs.lose(connection, lease)
    return job(store, lease.job_id)


def test_a_job_that_gets_further_each_time_outlives_any_number_of_lost_attempts(
    store: Database,
) -> None:
    with store.write() as connection:
        jobs.submit(connection, {"name": "n", "labels": {}})
    for step in range(1, 4 * MAX_LOST_ATTEMPTS):
        assert lose(store, step).status is Status.QUEUED
    last = 4 * MAX_LOST_ATTEMPTS
    found = [lose(store, last).status]
    while found[-1] is Status.QUEUED:  # from now on it dies at the same place
        found.append(lose(store, None).status)
    assert found == [Status.QUEUED] * (MAX_LOST_ATTEMPTS - 1) + [Status.FAILED]


def test_a_job_that_dies_before_its_first_checkpoint_fails_after_three(store: Database) -> None:
    with store.write() as connection:
        jobs.submit(connection, {"name": "n", "labels": {}})
    found = [lose(store, None).status for _ in range(MAX_LOST_ATTEMPTS)]
    assert found == [Status.QUEUED] * (MAX_LOST_ATTEMPTS - 1) + [Status.FAILED]


@pytest.mark.parametrize(("beyond", "taken"), [(CLOCK_TOLERANCE // 2, 0), (CLOCK_TOLERANCE * 2, 1)])
def test_two_clocks_may_differ_a_little(store: Database, beyond: int, taken: int) -> None:
    lease = held(store)
    with store.write() as connection:
        longest = now(connection) + LEASE + beyond
        values = {"lease_expires_at": longest}
        here = tables.jobs.c.id == lease.job_id
        connection.execute(update(tables.jobs).where(here).values(values))
        assert recovery.requeue_expired(connection) == taken
