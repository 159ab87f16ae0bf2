"""What two transactions at once must not do to models, aliases and chains.

SQLite has one writer at a time; on PostgreSQL each of these was a fault before a row was locked.
"""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from app.store import (
    aliases,
    autopilot,
    jobs,
    retention,
    retries,
    tables,
    trained_models,
)
from app.store.database import Database
from app.store.errors import (
    ModelInUse,
    ModelNotFound,
)
from app.store.retention import Policy
from tests import runs
from tests.diagnosed import diagnosis, finding
from tests.store.interleaving import Transaction, interleavings
from tests.store.test_autopilot import spec as autopilot_spec
from tests.store.test_leases import MODEL, claim, held
from tests.store.test_retention import finish

Pair = tuple[Transaction, Transaction]


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
        assert [each.model_id for each in history][:1] == [last], ended
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
