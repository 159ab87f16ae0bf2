"""Lists of jobs and models by their dataset: its name, one version, or an id."""

import pytest

from app.jobspec import JobSpec
from app.store import datasets, imports, jobs, trained_models
from app.store.database import Connection, Database
from tests import runs
from tests.store.test_imports import FACTS
from tests.store.test_leases import MODEL


def ready(connection: Connection, name: str) -> str:
    """The id of a new version that jobs can train on."""
    made = datasets.create(connection, name, "image", {})
    datasets.uploaded(connection, made.id, "cd" * 32, 1000)
    lease = runs.claim_import(connection)
    assert lease is not None
    imports.succeed(connection, lease, FACTS, {})
    return made.id


def trained(connection: Connection, name: str) -> tuple[str, str]:
    """The ids of a job on a dataset, and of its model."""
    body = {"dataset": {"name": name}}
    spec = JobSpec.model_validate(body, context=datasets.known_to(connection, body))
    job = jobs.submit(connection, spec.model_dump(mode="json")).id
    lease = runs.claim(connection)
    assert lease is not None
    return job, runs.succeed(connection, lease, MODEL)


def test_a_dataset_is_found_by_name_by_version_and_by_id(store: Database) -> None:
    with store.write() as connection:
        first, second = ready(connection, "cats"), ready(connection, "cats")
        other = ready(connection, "dogs")
        of = {name: trained(connection, name) for name in ("cats@1", "cats", "dogs", "mnist")}
        for ref, wanted in {
            "cats": ["cats", "cats@1"],
            "cats@1": ["cats@1"],
            "cats@2": ["cats"],
            first: ["cats@1"],
            second: ["cats"],
            other: ["dogs"],
            "dogs@1": ["dogs"],
            "mnist": ["mnist"],
        }.items():
            found = jobs.newest(connection, 10, dataset=ref)
            assert [job.id for job in found] == [of[name][0] for name in wanted], ref
            ranked = trained_models.listed(connection, 10, dataset=ref)
            assert [each.model.id for each in ranked] == [of[name][1] for name in wanted], ref


def test_versions_are_listed_by_name_by_version_and_by_id(store: Database) -> None:
    with store.write() as connection:
        first, second = ready(connection, "cats"), ready(connection, "cats")
        ready(connection, "dogs")
        for ref, wanted in {
            "cats": [second, first],
            "cats@1": [first],
            "cats@3": [],
            "cats@": [],
            second: [second],
            "ds_1": [],
        }.items():
            found = datasets.newest(connection, 10, None, ref)
            assert [each.id for each in found] == wanted, ref


@pytest.mark.parametrize(
    "ref", ["bird", "cats@3", "cats@", "cats@x", "cats@-1", "cats@9999999999999", "mnist@1", "ds_1"]
)
def test_what_nothing_was_trained_on_gives_an_empty_list(store: Database, ref: str) -> None:
    with store.write() as connection:
        ready(connection, "cats")
        trained(connection, "cats")
        trained(connection, "mnist")
        assert jobs.newest(connection, 10, dataset=ref) == []
        assert trained_models.listed(connection, 10, dataset=ref) == []


def test_models_of_a_deleted_dataset_are_still_found(store: Database) -> None:
    with store.write() as connection:
        made = ready(connection, "cats")
        _, model = trained(connection, "cats")
        datasets.remove(connection, made)
        for ref in ("cats", "cats@1", made):
            (found,) = trained_models.listed(connection, 10, dataset=ref)
            assert found.model.id == model
