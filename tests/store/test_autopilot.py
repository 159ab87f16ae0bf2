"""Autopilot: the corrected job is there when the run has ended, once, within its limits."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from app.codes import FailureCode, Status
from app.jobspec import JobSpec, RateRange
from app.jobspec.patch import corrected
from app.store import aliases, diagnoses, events, jobs, keys, retention, retries, tables
from app.store.database import Database
from app.store.errors import LeaseLost
from app.store.keys import Limits, Scope
from app.store.leases import Lease
from app.store.retention import Policy
from tests import runs
from tests.diagnosed import HEALTHY, diagnosis, finding
from tests.store.test_leases import MODEL, claim, job
from worker import follow_ups

TOO_HIGH = finding()


def spec(max_jobs: int = 4, **fields: Any) -> dict[str, Any]:
    made = {"dataset": {"name": "digits"}, "training": {"optimizer": {"lr": 100.0}}} | fields
    return JobSpec.model_validate(made | {"autopilot": {"max_jobs": max_jobs}}).model_dump(
        mode="json"
    )


def start(store: Database, wanted: dict[str, Any], key_id: str | None = None) -> Lease:
    with store.write() as connection:
        jobs.submit(connection, wanted, key_id=key_id)
    return take(store)


def take(store: Database) -> Lease:
    lease = claim(store)
    assert lease is not None
    return lease


def end(
    store: Database,
    lease: Lease,
    said: dict[str, Any] | None,
    accuracy: float | None = None,
    code: FailureCode = FailureCode.DIVERGED,
) -> None:
    """Ends a run with this diagnosis: with a model if there is an accuracy, failed otherwise."""
    with store.write() as connection:
        latest = None if accuracy is None else {"validation_accuracy": accuracy}
        runs.record(connection, lease, diagnosis=said, metrics=latest)
        if accuracy is None:
            runs.fail(connection, lease, code=code, message="m", advice="a")
        else:
            runs.succeed(connection, lease, MODEL)
    follow_up(store)


def follow_up(store: Database) -> None:
    """Does what follows from the ends so far, as a worker does."""
    while follow_ups.work_off(store):
        pass


def told(store: Database, job_id: str) -> list[str]:
    """What autopilot has said of a job."""
    with store.read() as connection:
        found = events.after(connection, job_id, 0, 100)
    return [each.message for each in found if each.kind == "autopilot"]


def count(store: Database) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(tables.jobs)).scalar_one()


def test_a_job_that_diverged_is_followed_by_the_corrected_one(store: Database) -> None:
    lease = start(store, spec())
    end(store, lease, diagnosis(TOO_HIGH))
    follower = take(store)
    again = job(store, follower.job_id)
    assert again.retry_of == again.chain == lease.job_id
    assert again.applied == TOO_HIGH["suggestion"]
    first = job(store, lease.job_id)
    assert again.spec == corrected(first.spec, TOO_HIGH["suggestion"]).model_dump(mode="json")
    assert again.spec["training"]["optimizer"]["lr"] == 0.01
    assert told(store, lease.job_id) == [
        f"autopilot: learning rate too high; {again.id} corrects it"
    ]
    assert told(store, again.id) == [f"autopilot: corrects {lease.job_id}: learning rate too high"]
    end(store, follower, diagnosis(HEALTHY), accuracy=0.9)
    assert told(store, again.id)[-1] == "autopilot: healthy"
    assert count(store) == 2


STOPS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "healthy": (diagnosis(HEALTHY), "healthy"),
    "only to know": (diagnosis(finding("trained_too_long", "info")), "trained too long"),
    "no cure": (
        diagnosis(finding("noisy_labels", suggestion=None)),
        "nothing that a specification can change",
    ),
    "not final": (diagnosis(TOO_HIGH, final=False), "the run ended without a diagnosis"),
    "none": (None, "the run ended without a diagnosis"),
    "invalid": (
        diagnosis(finding(suggestion={"training": {"optimizer": {"lr": -1}}})),
        "the suggestion makes no valid specification: Input should be greater than 0",
    ),
    "no change": (
        diagnosis(finding(suggestion={"training": {"optimizer": {"lr": 100.0}}})),
        "the correction leads back to what was tried",
    ),
}


@pytest.mark.parametrize(("said", "reason"), STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("accuracy", [None, 0.5], ids=["diverged", "succeeded"])
def test_it_stops_and_says_why(
    store: Database, said: dict[str, Any] | None, reason: str, accuracy: float | None
) -> None:
    lease = start(store, spec())
    end(store, lease, said, accuracy)
    assert told(store, lease.job_id) == [f"autopilot: {reason}"]
    assert count(store) == 1


def test_it_stops_at_its_budget(store: Database) -> None:
    lease = start(store, spec(max_jobs=3))
    for lr in (10.0, 1.0):
        end(store, lease, diagnosis(finding(suggestion={"training": {"optimizer": {"lr": lr}}})))
        lease = take(store)
    end(store, lease, diagnosis(TOO_HIGH))
    assert told(store, lease.job_id)[-1] == "autopilot: out of budget (3 of 3 jobs)"
    assert count(store) == 3


def test_it_does_not_go_round_in_circles(store: Database) -> None:
    lease = start(store, spec(preset="digits"))
    end(store, lease, diagnosis(TOO_HIGH))
    lease = take(store)
    back = finding("learning_rate_too_low", suggestion={"training": {"optimizer": {"lr": 100.0}}})
    end(store, lease, diagnosis(back), accuracy=0.5)
    assert told(store, lease.job_id)[-1] == "autopilot: the correction leads back to what was tried"
    assert count(store) == 2


@pytest.mark.parametrize("code", sorted(set(FailureCode) - {FailureCode.DIVERGED}))
def test_what_is_no_fault_of_the_spec_is_not_corrected(store: Database, code: FailureCode) -> None:
    lease = start(store, spec())
    end(store, lease, diagnosis(TOO_HIGH), code=code)
    assert told(store, lease.job_id) == [
        f"autopilot: the run failed as {code}, which no diagnosis mends"
    ]
    assert count(store) == 1


def test_a_cancelled_job_is_not_followed(store: Database) -> None:
    lease = start(store, spec())
    with store.write() as connection:
        runs.record(connection, lease, diagnosis=diagnosis(TOO_HIGH))
        runs.cancel(connection, lease)
    follow_up(store)
    assert told(store, lease.job_id) == ["autopilot: its owner asked to stop"]
    assert count(store) == 1
    lease = start(store, spec())
    with store.write() as connection:
        jobs.request_cancel(connection, lease.job_id)
    end(store, lease, diagnosis(TOO_HIGH), accuracy=0.5)  # it was ready first
    assert told(store, lease.job_id) == ["autopilot: its owner asked to stop"]
    assert count(store) == 2


@pytest.mark.parametrize("waiting", [Status.QUEUED, Status.PAUSED])
def test_a_job_that_is_cancelled_while_it_waits_is_not_followed_and_says_so(
    store: Database, waiting: Status
) -> None:
    with store.write() as connection:
        made = jobs.submit(connection, spec())
        if waiting is Status.PAUSED:
            jobs.request_pause(connection, made.id)
        assert jobs.get(connection, made.id).status is waiting
        jobs.request_cancel(connection, made.id)
        jobs.request_cancel(connection, made.id)  # again is no other end
    follow_up(store)
    assert told(store, made.id) == ["autopilot: its owner asked to stop"]
    assert count(store) == 1


def test_without_autopilot_and_in_a_range_test_nothing_follows(store: Database) -> None:
    stored_before_it_was_refused = spec() | {"lr_range": RateRange().model_dump(mode="json")}
    for wanted in (spec() | {"autopilot": None}, stored_before_it_was_refused):
        lease = start(store, wanted)
        end(store, lease, diagnosis(TOO_HIGH), accuracy=0.5)
        assert told(store, lease.job_id) == []
    assert count(store) == 2
    with store.read() as connection:
        assert [alias.name for alias in aliases.listed(connection, 9)] == ["latest"]


def test_an_end_that_is_rolled_back_or_comes_twice_submits_nothing(store: Database) -> None:
    lease = start(store, spec())
    with pytest.raises(RuntimeError), store.write() as connection:
        runs.record(connection, lease, diagnosis=diagnosis(TOO_HIGH))
        runs.succeed(connection, lease, MODEL)
        raise RuntimeError  # the process dies before it commits
    follow_up(store)
    assert count(store) == 1
    assert job(store, lease.job_id).status is Status.RUNNING
    end(store, lease, diagnosis(TOO_HIGH), accuracy=0.5)
    for _ in range(2):
        with pytest.raises(LeaseLost):
            end(store, lease, diagnosis(TOO_HIGH), accuracy=0.5)
    assert count(store) == 2


@pytest.mark.parametrize("is_revoked", [False, True], ids=["quota", "revoked"])
def test_the_key_of_the_first_job_pays_for_the_others(store: Database, is_revoked: bool) -> None:
    limits = Limits() if is_revoked else Limits(stored_bytes=1)
    with store.write() as connection:
        key, _ = keys.create(connection, "k", frozenset({Scope.WRITE}), limits)
    lease = start(store, spec(), key.id)
    end(store, lease, diagnosis(TOO_HIGH))
    follower = take(store)
    assert job(store, follower.job_id).key_id == key.id
    if is_revoked:
        with store.write() as connection:
            keys.revoke(connection, key.id)
    end(store, follower, diagnosis(finding(suggestion={"training": {"epochs": 3}})), accuracy=0.5)
    (_, said) = told(store, follower.job_id)
    assert said.startswith("autopilot: The quota of this key is used up")
    assert ("revoked" in said) is is_revoked
    assert count(store) == 2


def test_the_best_model_is_named_and_kept(store: Database) -> None:
    lease = start(store, spec())
    first = lease.job_id
    for lr, accuracy in ((10.0, float("nan")), (1.0, 0.9), (0.1, 0.9), (0.01, 0.5)):
        said = diagnosis(finding(suggestion={"training": {"optimizer": {"lr": lr}}}))
        end(store, lease, said, accuracy)
        made = job(store, lease.job_id)
        if lr == 1.0:
            best = made.model_id
        if lr < 0.1:
            break
        lease = take(store)
    with store.write() as connection:
        assert aliases.get(connection, f"best-{first}").model_id == best
        while retention.prune(connection, Policy(jobs=1, checkpoints=1)):
            pass  # one job of the chain is kept, so its best model is, too
        tries = retries.chain(connection, jobs.get(connection, first))
        assert [bool(each.model_id) for each in tries] == [False, True, False, True]  # and latest
        while retention.prune(connection, Policy(jobs=0, checkpoints=0)):
            pass
        tries = retries.chain(connection, jobs.get(connection, first))
        assert [bool(each.model_id) for each in tries] == [False, False, False, True]
        assert [alias.name for alias in aliases.listed(connection, 9)] == ["latest"]
        assert diagnoses.get(connection, first) is None
        assert [each.verdict for each in tries] == ["learning_rate_too_high"] * 4
        kinds = {event.kind for event in events.after(connection, first, 0, 100)}
    assert kinds == {"state", "autopilot", "pruned"}


def test_without_validation_images_the_test_images_decide(store: Database) -> None:
    lease = start(store, spec())
    for lr, accuracy in ((10.0, 0.7), (1.0, 0.8), (0.1, 0.6)):
        said = diagnosis(finding(suggestion={"training": {"optimizer": {"lr": lr}}}))
        with store.write() as connection:
            runs.record(connection, lease, diagnosis=said)
            model = replace(MODEL, metrics={"test_accuracy": accuracy})
            runs.succeed(connection, lease, model)
        follow_up(store)
        lease = take(store)
    with store.read() as connection:
        tries = retries.chain(connection, jobs.get(connection, lease.job_id))
    assert len(tries) == 4
    assert retries.best(tries) == tries[1]


def test_five_of_five_validation_images_say_less_than_140_of_144() -> None:
    def tried(limit: int | None, accuracy: float) -> retries.ChainedJob:
        spec = JobSpec.model_validate({"dataset": {"name": "digits", "limit": limit}})
        measured = {"validation_accuracy": accuracy}
        content = spec.model_dump(mode="json")
        return retries.ChainedJob(
            "job_1", Status.SUCCEEDED, None, "healthy", measured, content, "model_1"
        )

    few, many = tried(50, 1.0), tried(None, 140 / 144)
    assert retries.best([few, many]) is many
    assert retries.best([many, tried(None, 141 / 144)]) is not many
