"""Versions of datasets, and the leases of their imports: each import has one legal end."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from app.codes import DatasetStatus
from app.jobspec import JobSpec
from app.store import datasets, imports, jobs, keys, object_names, recovery, tables
from app.store.database import Connection, Database
from app.store.datasets import Dataset
from app.store.errors import (
    DatasetInUse,
    DatasetNameTaken,
    DatasetNotFound,
    DatasetNotReady,
    LeaseLost,
    NotAwaited,
    QuotaExceeded,
)
from app.store.imports import ImportLease
from app.store.keys import Limits, Scope
from app.store.leases import LEASE, MAX_LOST_ATTEMPTS, SECOND
from tests import runs

FACTS = {
    "input_shape": [3, 32, 32],
    "classes": 9,
    "train_images": 1500,
    "test_images": 400,
    "sha256": "ab" * 32,
}


def queued(connection: Connection, name: str = "cats", size: int = 1000) -> Dataset:
    made = datasets.create(connection, name, "image", {})
    datasets.uploaded(connection, made.id, "cd" * 32, size)
    return datasets.get(connection, made.id)


def claimed(connection: Connection, worker: str = "wrk_1") -> ImportLease:
    found = runs.claim_import(connection, worker)
    assert found is not None
    return found


def ready(connection: Connection, name: str = "cats") -> Dataset:
    made = queued(connection, name)
    imports.succeed(connection, claimed(connection), FACTS, {"images": 1900})
    return datasets.get(connection, made.id)


def test_a_name_counts_its_versions_and_none_comes_twice(store: Database) -> None:
    with store.write() as connection:
        first, second = (datasets.create(connection, "cats", "image", {}) for _ in range(2))
        datasets.remove(connection, second.id)
        third = datasets.create(connection, "cats", "image", {})
        other = datasets.create(connection, "dogs", "image", {})
        assert [first.version, second.version, third.version, other.version] == [1, 2, 3, 1]
        assert datasets.get(connection, "cats").id == third.id
        assert datasets.get(connection, "cats@1").id == first.id
        assert datasets.get(connection, first.id).name == "cats"
        for ref in ("cats@2", "cats@", "cats@x", "cats@-1", "cats@99999999999", "ds_1", "nobody"):
            with pytest.raises(DatasetNotFound, match="GET /datasets"):
                datasets.get(connection, ref)
        with pytest.raises(DatasetNameTaken, match="mnist"):
            datasets.create(connection, "mnist", "image", {})
        assert [each.id for each in datasets.newest(connection, 2)] == [other.id, third.id]
        assert [each.id for each in datasets.newest(connection, 9, third.id)] == [first.id]


def test_a_file_comes_once(store: Database) -> None:
    with store.write() as connection:
        made = queued(connection)
        assert made.status is DatasetStatus.QUEUED
        with pytest.raises(NotAwaited, match="queued"):
            datasets.uploaded(connection, made.id, "ef" * 32, 1)
        with pytest.raises(NotAwaited):
            datasets.retry(connection, made.id)
        assert object_names.is_named(connection, "cd" * 32)
        datasets.remove(connection, made.id)
        assert not object_names.is_named(connection, "cd" * 32)


def test_an_import_that_succeeds_gives_facts_and_a_report(store: Database) -> None:
    with store.write() as connection:
        made = queued(connection)
        assert imports.any_waiting(connection)
        lease = claimed(connection)
        assert not imports.any_waiting(connection)
        assert runs.claim_import(connection, "wrk_2") is None
        with pytest.raises(DatasetNotReady, match="importing"):
            datasets.report(connection, made.id)
        imports.renew(connection, lease, {"done": 5, "total": 10, "what": "images"})
        assert datasets.get(connection, made.id).progress == {
            "done": 5,
            "total": 10,
            "what": "images",
        }
        imports.succeed(connection, lease, FACTS, {"images": 1900})
        found = datasets.get(connection, "cats")
        assert (found.status, found.progress) == (DatasetStatus.READY, None)
        assert datasets.report(connection, "cats") == {"images": 1900}
        known = datasets.known_to(connection, {"dataset": {"name": "cats@1"}})
        assert known["cats"] == known["cats@1"]
        assert (known["cats"].id, known["cats"].version) == (made.id, 1)


Ending = Callable[[Connection, ImportLease], None]
ENDINGS: dict[str, Ending] = {
    "succeed": lambda connection, lease: imports.succeed(connection, lease, FACTS, {}),
    "refuse": lambda connection, lease: imports.refuse(connection, lease, "c", "m", "a"),
    "put_back": imports.put_back,
    "lose": lambda connection, lease: imports.lose(connection, lease, "it was killed"),
    "hinder": lambda connection, lease: imports.hinder(connection, lease, "no room", "a"),
    "renew": lambda connection, lease: imports.renew(connection, lease, None),
}


@pytest.mark.parametrize("late", ENDINGS)
@pytest.mark.parametrize("first", ["succeed", "refuse", "put_back", "lose", "deleted"])
def test_whoever_comes_late_finds_the_lease_lost(store: Database, first: str, late: str) -> None:
    with store.write() as connection:
        made = queued(connection)
        lease = claimed(connection)
        if first == "deleted":
            datasets.remove(connection, made.id)
        else:
            ENDINGS[first](connection, lease)
        if first in ("put_back", "lose"):
            claimed(connection, "wrk_2")
        before = None if first == "deleted" else datasets.get(connection, made.id)
        with pytest.raises(LeaseLost):
            ENDINGS[late](connection, lease)
        assert before is None or datasets.get(connection, made.id) == before


def test_an_import_that_dies_is_tried_again_and_then_refused(store: Database) -> None:
    with store.write() as connection:
        made = queued(connection)
        for count in range(1, MAX_LOST_ATTEMPTS + 1):
            lease = claimed(connection)
            assert lease.attempt == count
            imports.lose(connection, lease, "it was killed by the system")
        refused = datasets.get(connection, made.id)
        assert refused.status is DatasetStatus.REFUSED
        assert refused.refusal is not None
        assert "killed by the system" in refused.refusal["message"]
        assert made.id in refused.refusal["advice"]
        with pytest.raises(DatasetNotReady, match=f"{made.id} was refused.*no report.*killed by"):
            datasets.report(connection, made.id)
        again = datasets.retry(connection, made.id)
        assert (again.status, again.refusal) == (DatasetStatus.QUEUED, None)
        imports.lose(connection, claimed(connection), "once more")  # and it counts anew
        assert datasets.get(connection, made.id).status is DatasetStatus.QUEUED


def test_an_import_that_is_hindered_rests_before_it_is_tried_again(store: Database) -> None:
    """Three attempts within a second refused it for a disk that was full for a moment."""
    with store.write() as connection:
        made = queued(connection)
        for rest in imports.RESTS:
            assert imports.hinder(connection, claimed(connection), "no room", "a") == rest / SECOND
            assert datasets.get(connection, made.id).status is DatasetStatus.QUEUED
            assert not imports.any_waiting(connection)
            for worker in ("wrk_1", "wrk_2"):  # which may write to the same disk
                assert runs.claim_import(connection, worker) is None
            rested(connection, rest - SECOND)
            assert not imports.any_waiting(connection)
            rested(connection, SECOND)
            assert imports.any_waiting(connection)
        assert imports.hinder(connection, claimed(connection), "no room", "a") is None
        assert datasets.get(connection, made.id).status is DatasetStatus.REFUSED
        datasets.retry(connection, made.id)
        assert imports.any_waiting(connection)  # whoever asks for it need not wait


def test_other_imports_go_on_while_one_rests(store: Database) -> None:
    with store.write() as connection:
        queued(connection)
        other = queued(connection, "dogs")
        imports.hinder(connection, claimed(connection), "no room", "a")
        assert claimed(connection, "wrk_2").dataset_id == other.id


def test_a_rest_that_a_wrong_clock_has_written_is_over(store: Database) -> None:
    with store.write() as connection:
        made = queued(connection)
        imports.hinder(connection, claimed(connection), "no room", "a")
        rested(connection, -3600 * SECOND)
        assert claimed(connection).dataset_id == made.id


def rested(connection: Connection, microseconds: int) -> None:
    """Lets time go by for an import that rests."""
    until = tables.datasets.c.lease_expires_at - microseconds
    connection.execute(update(tables.datasets).values(lease_expires_at=until))


def test_an_import_that_is_put_back_has_lost_nothing(store: Database) -> None:
    with store.write() as connection:
        made = queued(connection)
        for _ in range(MAX_LOST_ATTEMPTS + 1):
            imports.put_back(connection, claimed(connection))
        assert datasets.get(connection, made.id).status is DatasetStatus.QUEUED


@pytest.mark.parametrize("how", ["expired", "dead"])
def test_the_imports_of_dead_workers_are_taken_back(store: Database, how: str) -> None:
    with store.write() as connection:
        made = queued(connection)
        claimed(connection)
        recovery.requeue_expired(connection)
        assert datasets.get(connection, made.id).status is DatasetStatus.IMPORTING
        if how == "dead":
            recovery.requeue_of(connection, "wrk_1")
        else:
            past = tables.datasets.c.lease_expires_at - LEASE - 1
            connection.execute(update(tables.datasets).values(lease_expires_at=past))
            recovery.requeue_expired(connection)
        assert datasets.get(connection, made.id).status is DatasetStatus.QUEUED


def test_a_spec_pins_the_version_that_was_newest(store: Database) -> None:
    def spec(connection: Connection, **dataset: Any) -> JobSpec:
        body = {"dataset": dataset}
        return JobSpec.model_validate(body, context=datasets.known_to(connection, body))

    with store.write() as connection:
        first = ready(connection)
        pinned = spec(connection, name="cats")
        second = ready(connection)
        queued(connection)  # a third, not ready
        assert pinned.dataset.facts.id == first.id
        assert spec(connection, name="cats").dataset.facts.id == second.id
        old = spec(connection, name="cats@1")
        assert (old.dataset.name, old.dataset.facts.id) == ("cats", first.id)
        again = spec(connection, **pinned.model_dump(mode="json")["dataset"])
        assert again == pinned
        with pytest.raises(ValueError, match="cats@3"):
            spec(connection, name="cats@3")
        assert JobSpec.stored(pinned.model_dump(mode="json")) == pinned


def test_a_base_is_kept_while_another_version_adds_to_it(store: Database) -> None:
    with store.write() as connection:
        ready(connection)
        base = ready(connection)
        adds = {"base": "cats@2"}
        more = datasets.create(connection, "more", "image", adds)
        own = datasets.create(connection, "cats", "image", adds)
        with pytest.raises(DatasetInUse, match=f"{base.id} .* is the base of more@1, cats@3; "):
            datasets.remove(connection, "cats@2")
        datasets.remove(connection, "cats@1")
        datasets.remove(connection, own.id)
        datasets.uploaded(connection, more.id, "cd" * 32, 1000)
        imports.refuse(connection, claimed(connection), "no_pictures", "m", "a")
        datasets.remove(connection, base.id)  # a refused version has no arrays
        with pytest.raises(DatasetNotFound, match="cats@2"):
            datasets.create(connection, "late", "image", adds)
        datasets.create(connection, "digits-and-more", "image", {"base": "digits"})


def test_a_dataset_is_kept_while_a_job_waits_for_it(store: Database) -> None:
    with store.write() as connection:
        made = ready(connection)
        body = {"dataset": {"name": "cats"}}
        spec = JobSpec.model_validate(body, context=datasets.known_to(connection, body))
        stored = spec.model_dump(mode="json")
        job = jobs.submit(connection, stored)
        with pytest.raises(DatasetInUse, match=job.id):
            datasets.remove(connection, "cats")
        jobs.request_cancel(connection, job.id)
        datasets.remove(connection, "cats")
        with pytest.raises(DatasetNotFound):
            datasets.report(connection, made.id)
        with pytest.raises(DatasetNotFound):  # a spec validated before, stored after
            jobs.submit(connection, stored)


def test_uploads_count_towards_the_quota_of_their_key(store: Database) -> None:
    with store.write() as connection:
        key, _ = keys.create(connection, "k", frozenset({Scope.WRITE}), Limits(stored_bytes=1000))
        made = datasets.create(connection, "cats", "image", {}, key_id=key.id)
        keys.check_stored(connection, key.id, 1000)
        with pytest.raises(QuotaExceeded, match="1001 more"):
            keys.check_stored(connection, key.id, 1001)
        datasets.uploaded(connection, made.id, "cd" * 32, 1000)
        with pytest.raises(QuotaExceeded, match="1000 bytes"):
            datasets.create(connection, "dogs", "image", {}, key_id=key.id)
        datasets.remove(connection, made.id)
        datasets.create(connection, "dogs", "image", {}, key_id=key.id)
