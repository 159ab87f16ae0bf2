"""What two transactions at once must not do, whatever the order of their statements.

SQLite has one writer at a time; on PostgreSQL each of these was a fault before a row was locked.
"""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from app.codes import Status
from app.store import (
    checkpoints,
    datasets,
    idempotency,
    jobs,
    keys,
    leases,
    recovery,
)
from app.store.database import Database
from app.store.errors import (
    DatasetInUse,
    DatasetNotFound,
    LeaseLost,
    NotAwaited,
    QuotaExceeded,
)
from app.store.idempotency import KeyedRequest
from app.store.keys import Limits, Scope
from app.store.leases import Lease
from tests import runs
from tests.store.interleaving import Transaction, interleavings
from tests.store.test_imports import ready
from tests.store.test_leases import SPEC, held, job, set_expiry, submit

Pair = tuple[Transaction, Transaction]


def test_two_equal_idempotency_keys_make_one_job(store: Database) -> None:
    numbers = iter(range(1000))

    def prepare() -> Pair:
        request = KeyedRequest(f"key {next(numbers)}", None, "0" * 64)

        def once(connection: Connection) -> tuple[str, bool]:
            make = partial(jobs.submit, connection, SPEC)
            return idempotency.once(connection, request, lambda: make().id)

        return once, once

    for ended in interleavings(store, prepare):
        assert ended.first[0] == ended.second[0]
        assert {ended.first[1], ended.second[1]} == {True, False}


def test_of_two_submissions_one_is_within_the_quota(store: Database) -> None:
    def prepare() -> Pair:
        key = new_key(store, Limits(jobs=1))
        submit_one = lambda connection: jobs.submit(connection, SPEC, key_id=key)  # noqa: E731
        return submit_one, submit_one

    for ended in interleavings(store, prepare):
        refused = [isinstance(each, QuotaExceeded) for each in (ended.first, ended.second)]
        assert sorted(refused) == [False, True], ended


def new_key(store: Database, limits: Limits) -> str:
    with store.write() as connection:
        return keys.create(connection, "k", frozenset({Scope.WRITE}), limits)[0].id


def test_a_lease_that_was_renewed_meanwhile_is_not_taken_back(store: Database) -> None:
    lease = Lease("", 0)

    def prepare() -> Pair:
        nonlocal lease
        lease = held(store)
        set_expiry(store, lease, -1)
        return recovery.requeue_expired, lambda connection: leases.heartbeat(connection, [lease])

    for ended in interleavings(store, prepare):
        with store.write() as connection:
            taken_back = job(store, lease.job_id).status is Status.QUEUED
            assert taken_back == ended.second_waited, ended
            if taken_back:
                jobs.request_cancel(connection, lease.job_id)
            else:
                runs.fail(connection, lease)


@pytest.mark.parametrize("turned", [False, True])
def test_a_checkpoint_is_kept_before_the_end_of_its_lease_or_not_at_all(
    store: Database, turned: bool
) -> None:
    lease = Lease("", 0)

    def prepare() -> Pair:
        nonlocal lease
        lease = held(store)
        set_expiry(store, lease, -1)
        keep = partial(runs.record, lease=lease, checkpoint=(5, b"c"))
        return (recovery.requeue_expired, keep) if turned else (keep, recovery.requeue_expired)

    for ended in interleavings(store, prepare):
        kept, requeued = (ended.second, ended.first) if turned else (ended.first, ended.second)
        assert kept is None or isinstance(kept, LeaseLost)
        assert isinstance(requeued, int), ended
        if turned == ended.second_waited:  # else the checkpoint came before
            assert (kept is None) == (requeued == 0), ended
        with store.read() as connection:
            assert (checkpoints.newest(connection, lease.job_id) is not None) == (kept is None)
        with store.write() as connection:
            if job(store, lease.job_id).status is Status.QUEUED:
                jobs.request_cancel(connection, lease.job_id)
            else:
                runs.fail(connection, lease)


@pytest.mark.parametrize("waiting", [1, 2])
def test_two_claims_take_a_job_once(store: Database, waiting: int) -> None:
    submitted: set[str] = set()

    with store.write() as connection:
        for worker in ("wrk_1", "wrk_2"):
            runs.register(connection, worker)

    def prepare() -> Pair:
        nonlocal submitted
        submitted = {submit(store) for _ in range(waiting)}
        return runs.claim, partial(runs.claim, worker="wrk_2")

    for ended in interleavings(store, prepare):
        taken = [each.job_id for each in (ended.first, ended.second) if each is not None]
        assert set(taken) == submitted
        assert len(taken) == waiting
        if store.path is None:
            assert not ended.second_waited, "a worker waits for another one's claim"


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("asked", [jobs.request_cancel, jobs.request_pause])
def test_a_wish_meets_a_claim(store: Database, asked: Any, turned: bool) -> None:
    job_id = ""

    def prepare() -> Pair:
        nonlocal job_id
        job_id = submit(store)
        wish = lambda connection: asked(connection, job_id)  # noqa: E731
        return (runs.claim, wish) if turned else (wish, runs.claim)

    for ended in interleavings(store, prepare):
        wished, lease = (ended.second, ended.first) if turned else (ended.first, ended.second)
        found = job(store, job_id)
        assert isinstance(wished, jobs.Job), ended
        assert (lease is None) == (found.status is not Status.RUNNING), ended
        if lease is not None:
            assert found.cancel_requested or found.pause_requested
            with store.write() as connection:
                runs.fail(connection, lease)


def test_a_cancel_that_was_acknowledged_is_obeyed(store: Database) -> None:
    lease = Lease("", 0)

    def prepare() -> Pair:
        nonlocal lease
        lease = held(store)
        return (
            lambda connection: jobs.request_cancel(connection, lease.job_id),
            lambda connection: runs.lose(connection, lease),
        )

    for ended in interleavings(store, prepare):
        assert isinstance(ended.first, jobs.Job), ended
        assert ended.second is None
        assert job(store, lease.job_id).status is Status.CANCELLED


def test_two_new_datasets_of_a_new_name_are_its_first_two_versions(store: Database) -> None:
    numbers = iter(range(1000))

    def prepare() -> Pair:
        create = partial(datasets.create, name=f"cats-{next(numbers)}", kind="image", options={})
        return create, create

    for ended in interleavings(store, prepare):
        assert {ended.first.version, ended.second.version} == {1, 2}, ended


def test_a_file_that_is_whole_twice_is_imported_once(store: Database) -> None:
    def prepare() -> Pair:
        with store.write() as connection:
            made = datasets.create(connection, "cats", "image", {})
        whole = partial(datasets.uploaded, dataset_id=made.id, digest="ab" * 32, size=1)
        return whole, whole

    for ended in interleavings(store, prepare):
        assert [ended.first, type(ended.second)] == [None, NotAwaited] or [
            type(ended.first),
            ended.second,
        ] == [NotAwaited, None]


@pytest.mark.parametrize("turned", [False, True])
def test_a_dataset_on_which_a_job_is_submitted_is_not_deleted(
    store: Database, turned: bool
) -> None:
    def prepare() -> Pair:
        with store.write() as connection:
            made = ready(connection)
        named = {"name": "cats", "facts": {"id": made.id}}
        wanted = SPEC | {"dataset": SPEC["dataset"] | named}
        send = partial(jobs.submit, spec=wanted)
        remove = partial(datasets.remove, ref=made.id)
        return (remove, send) if turned else (send, remove)

    for ended in interleavings(store, prepare):
        sent, removed = (ended.second, ended.first) if turned else (ended.first, ended.second)
        assert isinstance(sent, DatasetNotFound) != isinstance(removed, DatasetInUse), ended


@pytest.mark.parametrize("turned", [False, True])
def test_a_dataset_to_which_another_is_added_is_not_deleted(store: Database, turned: bool) -> None:
    def prepare() -> Pair:
        with store.write() as connection:
            base = ready(connection)
        options = {"base": f"cats@{base.version}"}
        add = partial(datasets.create, name="more", kind="image", options=options)
        remove = partial(datasets.remove, ref=base.id)
        return (remove, add) if turned else (add, remove)

    for ended in interleavings(store, prepare):
        added, removed = (ended.second, ended.first) if turned else (ended.first, ended.second)
        assert isinstance(added, DatasetNotFound) != isinstance(removed, DatasetInUse), ended
