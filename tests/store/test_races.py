"""What two transactions at once must not do, whatever the order of their statements.

SQLite has one writer at a time; on PostgreSQL each of these was a fault before a row was locked.
"""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from app.codes import Status
from app.store import (
    aliases,
    autopilot,
    checkpoints,
    datasets,
    idempotency,
    jobs,
    keys,
    leases,
    recovery,
    retention,
    tables,
    trained_models,
)
from app.store.database import Database
from app.store.errors import (
    DatasetInUse,
    DatasetNotFound,
    LeaseLost,
    ModelInUse,
    ModelNotFound,
    NotAwaited,
    QuotaExceeded,
)
from app.store.idempotency import KeyedRequest
from app.store.keys import Limits, Scope
from app.store.leases import Lease
from app.store.retention import Policy
from tests import runs
from tests.diagnosed import diagnosis, finding
from tests.store.interleaving import Transaction, interleavings
from tests.store.test_autopilot import spec as autopilot_spec
from tests.store.test_imports import ready
from tests.store.test_leases import MODEL, SPEC, claim, held, job, set_expiry, submit
from tests.store.test_retention import finish

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


@pytest.mark.parametrize("is_there", [False, True], ids=["a new alias", "an alias that is there"])
def test_two_promotions_of_one_alias_come_one_after_the_other(
    store: Database, is_there: bool
) -> None:
    (_, before), (_, one), (_, other) = finish(store), finish(store), finish(store)
    numbers = iter(range(1000))
    name = ""

    def prepare() -> Pair:
        nonlocal name
        name = f"alias-{next(numbers)}"
        if is_there:
            with store.write() as connection:
                aliases.promote(connection, name, before)
        return (
            lambda connection: aliases.promote(connection, name, one),
            lambda connection: aliases.promote(connection, name, other),
        )

    for ended in interleavings(store, prepare):
        with store.read() as connection:
            last = aliases.get(connection, name).model_id
            history = aliases.histories(connection, [name], 9)[name]
        assert [each.model_id for each in history][:1] == [last]
        assert len(history) == 2 + is_there
        first_of = before if is_there else None
        assert {ended.first, ended.second} == {first_of, one if last == other else other}, ended


def test_a_promoted_model_is_not_deleted(store: Database) -> None:
    model = ""

    def prepare() -> Pair:
        nonlocal model
        (_, model), _ = finish(store), finish(store)
        return (
            lambda connection: aliases.promote(connection, f"of-{model}", model),
            lambda connection: trained_models.remove(connection, model),
        )

    for turned in (False, True):
        each = interleavings(store, lambda: prepare()[:: -1 if turned else 1])  # noqa: B023
        for ended in each:
            promoted, removed = (ended.second, ended.first)[:: 1 if turned else -1]
            assert (promoted is None) == isinstance(removed, ModelInUse), ended
            assert isinstance(promoted, ModelNotFound) == (removed is None), ended


def test_a_model_that_is_promoted_meanwhile_is_not_pruned(store: Database) -> None:
    model = ""

    def prepare() -> Pair:
        nonlocal model
        (_, model), _ = finish(store), finish(store)
        return (
            lambda connection: retention.prune(connection, Policy(jobs=1, checkpoints=1)),
            lambda connection: aliases.promote(connection, f"of-{model}", model),
        )

    for ended in interleavings(store, prepare):
        assert isinstance(ended.first, int), ended
        with store.read() as connection:
            is_there = connection.execute(select(tables.models.c.id).filter_by(id=model)).first()
        assert (is_there is not None) == (ended.second is None), ended
        assert ended.second is None or isinstance(ended.second, ModelNotFound)


def test_two_first_models_are_both_published(store: Database) -> None:
    def prepare() -> Pair:
        with store.write() as connection:
            connection.execute(tables.aliases.delete())
        mine, others = held(store), held(store)
        return (
            lambda connection: runs.succeed(connection, mine, MODEL),
            lambda connection: runs.succeed(connection, others, MODEL),
        )

    for ended in interleavings(store, prepare):
        with store.read() as connection:
            assert trained_models.resolve(connection, None) in {ended.first, ended.second}


def test_two_ends_of_one_chain_stay_within_its_budget_and_find_the_best(store: Database) -> None:
    first_job, best = "", ""

    def prepare() -> Pair:
        nonlocal first_job, best
        while (left := claim(store)) is not None:  # what the pair before has submitted
            with store.write() as connection:
                runs.fail(connection, left)
        with store.write() as connection:
            first_job = jobs.submit(connection, autopilot_spec(max_jobs=4)).id
        end_of_chain(store, 0.1)
        ends = []
        for accuracy in (0.5, 0.9):
            with store.write() as connection:
                patch = {"training": {"optimizer": {"lr": 100 * accuracy}}}
                jobs_retry(connection, first_job, patch)
            ends.append(end_of_chain(store, accuracy))
        best = ends[1]
        return tuple(partial(follow, job_id=each) for each in reversed(ends))  # type: ignore[return-value]

    for ended in interleavings(store, prepare):
        assert (ended.first, ended.second) == (None, None), ended
        with store.read() as connection:
            of_chain = tables.jobs.c.chain == first_job
            count = select(func.count()).where(of_chain)
            assert connection.execute(count).scalar_one() == 3  # the first job and these are four
            named = trained_models.get(connection, f"best-{first_job}")
        assert named.job_id == best


def jobs_retry(connection: Connection, job_id: str, patch: dict[str, Any]) -> None:
    from app.store import retries  # noqa: PLC0415

    retries.retry(connection, job_id, patch=patch)


def follow(connection: Connection, job_id: str) -> None:
    autopilot.follow(connection, job_id, cancelled=False)


def end_of_chain(store: Database, accuracy: float) -> str:
    lease = claim(store)
    assert lease is not None
    said = diagnosis(finding())
    with store.write() as connection:
        metrics = {"validation_accuracy": accuracy}
        runs.record(connection, lease, diagnosis=said, metrics=metrics)
        runs.succeed(connection, lease, MODEL)
    return lease.job_id


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

    def prepare() -> Pair:
        nonlocal submitted
        submitted = {submit(store) for _ in range(waiting)}
        return runs.claim, partial(runs.claim, worker="host/2")

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
