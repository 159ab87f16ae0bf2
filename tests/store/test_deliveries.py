"""Deliveries: written with the change of state, claimed by one process at a time, tried again."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import select

from app.codes import Scope
from app.store import database, deliveries, events, jobs, keys, leases, tables
from app.store.database import Database
from app.store.deliveries import (
    CLAIM,
    FIRST_WAIT,
    GROWTH,
    MAX_ATTEMPTS,
    SECOND,
    Delivered,
    Delivery,
    Undelivered,
)
from app.store.events import Event
from app.store.keys import Limits
from app.store.leases import Lease
from app.store.outbox import Work
from tests import runs
from tests.store.test_follow_up_faults import make_due
from tests.store.test_leases import MODEL, OUTCOMES, SPEC, claim


def submit(store: Database, *webhooks: str, key_id: str | None = None) -> str:
    with store.write() as connection:
        return jobs.submit(connection, SPEC | {"webhooks": list(webhooks)}, key_id=key_id).id


def held(store: Database, *webhooks: str) -> Lease:
    submit(store, *webhooks)
    lease = claim(store)
    assert lease is not None
    return lease


def succeed(store: Database, lease: Lease) -> None:
    with store.write() as connection:
        runs.succeed(connection, lease, MODEL)


def claimed(store: Database, *busy: str, work: Work = Work.WEBHOOK) -> Delivery:
    with store.write() as connection:
        assert deliveries.any_due(connection, work, busy)
        found = deliveries.claim(connection, work, busy)
    assert found is not None
    return found


def record(store: Database, delivery: Delivery, outcome: deliveries.Outcome) -> bool:
    with store.write() as connection:
        return deliveries.record(connection, delivery, outcome)


def is_due(store: Database, *busy: str, work: Work = Work.WEBHOOK) -> bool:
    with store.read() as connection:
        return deliveries.any_due(connection, work, busy)


def told(store: Database, job_id: str, kind: str = "webhook") -> list[Event]:
    with store.read() as connection:
        return [each for each in events.after(connection, job_id, 0, 100) if each.kind == kind]


def outbox(store: Database) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(tables.outbox)))


@pytest.mark.parametrize(
    ("outcome", "wish", "type_"),
    [
        ("succeeded", None, "job.succeeded"),
        ("failed", None, "job.failed"),
        ("cancelled", jobs.request_cancel, "job.cancelled"),
        ("paused", jobs.request_pause, "job.paused"),
        ("shut down", None, None),
        ("died", None, None),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_end_of_a_run_is_told_of_in_its_transaction(
    store: Database, outcome: str, wish: Any, type_: str | None
) -> None:
    lease = held(store, "ci")
    with store.write() as connection:
        if wish:
            wish(connection, lease.job_id)
        leases.release(connection, lease, OUTCOMES[outcome])
    assert [each.data["type"] for each in outbox(store)] == ([type_] if type_ else [])


def test_a_waiting_job_is_told_of_when_it_is_cancelled_and_not_when_it_is_queued_again(
    store: Database,
) -> None:
    job_id = submit(store, "ci")
    with store.write() as connection:
        jobs.request_pause(connection, job_id)
        jobs.request_pause(connection, job_id)
        jobs.resume(connection, job_id)
        jobs.request_cancel(connection, job_id)
        jobs.request_cancel(connection, job_id)
    assert [each.data["type"] for each in outbox(store)] == ["job.paused", "job.cancelled"]


def test_a_message_has_the_facts_of_its_moment(store: Database) -> None:
    lease = held(store, "ci")
    succeed(store, lease)
    facts = claimed(store).data["job"]
    assert facts["id"] == lease.job_id
    assert facts["status"] == "succeeded"
    assert facts["model"].startswith("model_")
    assert facts["metrics"]["test_accuracy"] == 0.98
    assert facts["failure"] is None


def test_the_destinations_of_a_job_and_of_its_key_hear_of_it_once_each(store: Database) -> None:
    with store.write() as connection:
        scopes = frozenset({Scope.WRITE})
        key, _ = keys.create(connection, "ci", scopes, Limits(), ["ci", "chat"])
    assert key.webhooks == ("ci", "chat")
    job_id = submit(store, "pager", "ci", key_id=key.id)
    with store.write() as connection:
        jobs.request_cancel(connection, job_id)
    assert [each.data["destination"] for each in outbox(store)] == ["pager", "ci", "chat"]


def test_a_delivery_is_with_one_process_until_its_claim_has_run_out(store: Database) -> None:
    succeed(store, lease := held(store, "ci"))
    first = claimed(store)
    assert not is_due(store)
    make_due(store)  # as if the first process had been silent for `CLAIM`
    second = claimed(store)
    assert (second.id, second.attempt) == (first.id, 2)
    assert not record(store, first, Delivered("delivered"))
    assert told(store, lease.job_id) == []
    assert record(store, second, Delivered("delivered, answered 204"))
    assert outbox(store) == []
    (event,) = told(store, lease.job_id)
    assert event.message == "webhook: job.succeeded to ci: delivered, answered 204"
    assert event.data == {
        "delivered": True,
        "attempt": 2,
        "destination": "ci",
        "type": "job.succeeded",
    }


def test_a_claim_is_renewed_and_put_back_by_its_own_process_alone(store: Database) -> None:
    succeed(store, held(store, "ci"))
    first = claimed(store)
    make_due(store)
    second = claimed(store)
    (before,) = outbox(store)
    with store.write() as connection:
        deliveries.renew(connection, [first])
        deliveries.put_back(connection, [first])
    assert outbox(store) == [before]
    make_due(store)
    with store.write() as connection:
        deliveries.renew(connection, [second])
        renewed_at = database.now(connection)
    (row,) = outbox(store)
    assert 0 <= renewed_at + CLAIM - row.due_at < SECOND
    with store.write() as connection:
        deliveries.put_back(connection, [second])
    assert is_due(store)


def test_waits_grow_until_a_delivery_is_given_up(store: Database) -> None:
    succeed(store, lease := held(store, "ci"))
    for attempt in range(1, MAX_ATTEMPTS):
        delivery = claimed(store)
        assert delivery.attempt == attempt
        assert record(store, delivery, Undelivered("answered 503"))
        with store.read() as connection:
            (row,) = connection.execute(select(tables.outbox))
            wait = row.due_at - database.now(connection)
        grown = FIRST_WAIT * GROWTH ** (attempt - 1)
        assert grown - 5 * SECOND < wait <= grown
        make_due(store)
    record(store, claimed(store), Undelivered("answered 503"))
    said = [each.message for each in told(store, lease.job_id)]
    assert said[0] == "webhook: job.succeeded to ci: answered 503; attempt 2 of 11 in 5 s"
    assert said[-1] == "webhook: job.succeeded to ci: answered 503; given up after 11 attempts"
    assert len(said) == MAX_ATTEMPTS
    assert outbox(store) == []


def test_what_the_other_server_asks_counts_if_it_is_longer(store: Database) -> None:
    succeed(store, held(store, "ci"))
    record(store, claimed(store), Undelivered("answered 429", wait_seconds=120))
    with store.read() as connection:
        (row,) = connection.execute(select(tables.outbox))
        assert row.due_at - database.now(connection) > 100 * SECOND


def test_a_final_refusal_ends_it(store: Database) -> None:
    succeed(store, lease := held(store, "ci"))
    record(store, claimed(store), Undelivered("answered 410", is_final=True))
    (event,) = told(store, lease.job_id)
    assert event.message.endswith("answered 410; given up after 1 attempt")
    assert event.data["delivered"] is False
    assert outbox(store) == []


def test_one_whose_process_dies_at_every_attempt_is_given_up(store: Database) -> None:
    succeed(store, lease := held(store, "ci"))
    for _ in range(MAX_ATTEMPTS):
        claimed(store)
        make_due(store)
    with store.write() as connection:
        assert deliveries.claim(connection, Work.WEBHOOK) is None
    (event,) = told(store, lease.job_id)
    assert event.message.endswith("its process died; given up after 11 attempts")
    assert outbox(store) == []


def test_a_busy_destination_leaves_its_place_to_the_others(store: Database) -> None:
    succeed(store, held(store, "slow", "slower", "ci"))
    assert claimed(store, "slow", "slower").destination == "ci"
    assert not is_due(store, "slow", "slower")
    assert claimed(store, "slower").destination == "slow"


@pytest.fixture
def mirrored(migrated_url: str) -> Iterator[Database]:
    """The same database, opened as a service does that has TRAIND_MLFLOW_URI."""
    with closing(database.connect(migrated_url, mirrors=True)) as opened:
        yield opened


def test_jobs_that_have_run_are_mirrored_where_it_is_set(
    store: Database, mirrored: Database
) -> None:
    for opened in (store, mirrored):
        succeed(opened, held(opened))
    never_run = submit(store)
    with mirrored.write() as connection:
        jobs.request_cancel(connection, never_run)
    (row,) = outbox(store)
    assert row.work == Work.MLFLOW
    assert not is_due(store)
    delivery = claimed(store, work=Work.MLFLOW)
    record(store, delivery, Delivered("mirrored as run 1", {"run": "1"}))
    (event,) = told(store, row.job_id, "mlflow")
    assert event.message == "mlflow: mirrored as run 1"
    assert event.data == {"delivered": True, "attempt": 1, "run": "1"}
