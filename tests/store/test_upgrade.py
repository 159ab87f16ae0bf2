"""A database that the first schema made is brought to the newest with all that it holds."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from app.codes import Status
from app.jobspec import JobSpec
from app.store import (
    aliases,
    backup,
    checkpoints,
    database,
    events,
    jobs,
    metrics,
    migrations,
    retries,
    trained_models,
)
from app.store.database import Database
from app.store.errors import ReferencesBroken
from tests import runs
from tests.store.test_leases import SPEC


def make_schema(connection: Connection, revision: str = "0001") -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def insert(connection: Connection, table: str, **values: object) -> None:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)  # noqa: S608


def fill(connection: Connection) -> None:
    for job_id, status in (("job_1", "succeeded"), ("job_2", "queued")):
        insert(
            connection,
            "jobs",
            **{"id": job_id, "name": "old", "labels": "{}", "spec": json.dumps(SPEC)},
            **{"status": status, "created_at": 1, "attempt": 1, "losses": 0, "last_event": 1},
            **{"cancel_requested": False, "metrics": '{"test_accuracy": 0.9}'},
        )
        insert(
            connection,
            "events",
            **{"job_id": job_id, "id": 1, "at": 1, "kind": "state", "message": "queued"},
            data="{}",
        )
    point = {"job_id": "job_1", "name": "running_loss", "step": 5, "epoch": 1, "value": 0.25}
    insert(connection, "metrics", **point)
    insert(
        connection,
        "models",
        **{"id": "model_1", "job_id": "job_1", "name": "old", "created_at": 2},
        **{"spec": json.dumps(SPEC), "signature": "{}", "metrics": "{}", "provenance": "{}"},
        weights_sha256="0" * 64,
    )
    content = b"weights"
    file = {"kind": "weights", "sha256": sha256(content).hexdigest(), "content": content}
    insert(connection, "model_files", model_id="model_1", **file)
    insert(connection, "aliases", name="latest", model_id="model_1", updated_at=2)


def test_the_first_schema_is_upgraded_with_what_it_holds(url: str) -> None:
    store = database.connect(url)
    store.use_write_ahead_log()
    with store.write() as connection:
        make_schema(connection)
        fill(connection)
    migrations.migrate(store)
    with store.read() as connection:
        done = jobs.get(connection, "job_1")
        assert (done.status, done.model_id, done.metrics) == (
            Status.SUCCEEDED,
            "model_1",
            {"test_accuracy": 0.9},
        )
        assert [event.message for event in events.after(connection, "job_1", 0, 9)] == ["queued"]
        assert [point.value for point in metrics.points(connection, "job_1", None, 9)] == [0.25]
        assert aliases.get(connection, "latest").model_id == "model_1"
        assert trained_models.file(connection, "model_1", "weights")[0] == b"weights"
    with store.write() as connection:
        lease = runs.claim(connection, "wrk_1")
        assert lease is not None
        assert (lease.job_id, lease.attempt) == ("job_2", 2)
    store.close()


def test_retries_from_before_chains_are_linked_to_the_first(url: str) -> None:
    store = database.connect(url)
    store.use_write_ahead_log()
    with store.write() as connection:
        make_schema(connection, "0005")
        for number, before in ((1, None), (2, "job_1"), (3, "job_2"), (4, None), (5, "job_gone")):
            insert(
                connection,
                "jobs",
                **{"id": f"job_{number}", "name": "old", "labels": "{}"},
                **{"spec": json.dumps(SPEC), "status": "failed", "created_at": 1, "attempt": 1},
                **{"losses": 0, "last_event": 0, "cancel_requested": False, "metrics": "{}"},
                retry_of=before,
            )
    migrations.migrate(store)
    with store.read() as connection:
        found = [jobs.get(connection, f"job_{number}") for number in range(1, 6)]
        tries = [each.id for each in retries.chain(connection, found[2])]
    assert [each.chain for each in found] == [None, "job_1", "job_1", None, "job_gone"]
    assert tries == ["job_1", "job_2", "job_3"]
    assert {each.verdict for each in found} == {"unknown"}
    store.close()


@pytest.mark.sqlite
def test_a_table_is_rebuilt_with_all_that_refers_to_it(store: Database) -> None:
    """A batch change of `jobs` copies and drops it: with foreign keys on, its events would go."""
    with store.write() as connection:
        job_id = jobs.submit(connection, SPEC).id
        checkpoints.keep(connection, job_id, 1, b"c")
    with store.rebuild() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("jobs") as changed:
            changed.alter_column("name", new_column_name="title")
            changed.create_check_constraint("ck_jobs_attempt", text("attempt >= 0"))
    with store.write() as connection:
        assert [each.kind for each in events.after(connection, job_id, 0, 9)] == ["state"]
        assert checkpoints.newest(connection, job_id) is not None
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        titles = connection.execute(text("SELECT title FROM jobs")).scalars().all()
    assert titles == [SPEC["name"]]
    with store.write() as connection, pytest.raises(IntegrityError):  # enforced again
        insert(connection, "diagnoses", job_id="job_gone", content="{}")


@pytest.mark.sqlite
def test_an_upgrade_that_breaks_references_is_undone(store: Database) -> None:
    with store.write() as connection:
        job_id = jobs.submit(connection, SPEC).id
    with pytest.raises(ReferencesBroken, match="1 rows of events"), store.rebuild() as connection:
        connection.execute(text("DELETE FROM jobs"))
    with store.read() as connection:
        assert jobs.get(connection, job_id).id == job_id
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


@pytest.mark.sqlite
def test_a_restored_backup_takes_submissions_beside_a_long_reader(
    store: Database, tmp_path: Path
) -> None:
    backup.back_up(store, tmp_path / "restored.db")
    restored = database.connect(f"sqlite:///{tmp_path / 'restored.db'}")
    migrations.migrate(restored)
    with restored.read() as reader:
        assert jobs.newest(reader, 1) == []
        with restored.write() as connection:
            jobs.submit(connection, SPEC)
        assert jobs.newest(reader, 1) == []
    assert restored.has_write_ahead_log
    restored.close()


def test_what_an_older_schema_holds_is_counted_and_named(url: str) -> None:
    store = database.connect(url)
    with store.write() as connection:
        make_schema(connection, "0006")
        fill(connection)
        for step in (1, 2, 3):
            values = {"job_id": "job_2", "step": step, "best": step == 1, "created_at": 1}
            insert(connection, "checkpoints", **values, content=b"1234567")
        for alias in ("best-job_1", "best-of-all"):
            insert(connection, "aliases", name=alias, model_id="model_1", updated_at=2)
    migrations.migrate(store)
    with store.read() as connection:
        rows = connection.execute(text("SELECT id, stored_bytes, ended_at FROM jobs ORDER BY id"))
        assert [tuple(row) for row in rows] == [("job_1", 7, 1), ("job_2", 14, None)]
        named = connection.execute(text("SELECT name, chain FROM aliases ORDER BY name"))
        found = {row.name: row.chain for row in named}
        assert found == {"best-job_1": "job_1", "best-of-all": None, "latest": None}
    store.close()


def test_specs_from_before_facts_get_those_of_their_dataset(url: str) -> None:
    store = database.connect(url)
    store.use_write_ahead_log()
    names = ["digits", "mnist", "fashion-mnist", "kmnist"]
    specs = {name: JobSpec.model_validate({"dataset": {"name": name}}) for name in names}
    with store.write() as connection:
        make_schema(connection, "0006")
        for name, spec in specs.items():
            old = spec.model_dump(mode="json", exclude={"dataset": {"facts"}})
            insert(
                connection,
                "jobs",
                **{"id": f"job_{name}", "name": "old", "labels": "{}", "spec": json.dumps(old)},
                **{"status": "succeeded", "created_at": 1, "attempt": 1, "losses": 0},
                **{"last_event": 0, "cancel_requested": False, "metrics": "{}"},
            )
            insert(
                connection,
                "models",
                **{"id": f"model_{name}", "job_id": f"job_{name}", "name": "old", "created_at": 2},
                **{"spec": json.dumps(old), "signature": "{}", "metrics": "{}"},
                **{"provenance": "{}", "weights_sha256": "0" * 64},
            )
    migrations.migrate(store)
    with store.read() as connection:
        for name, spec in specs.items():
            assert JobSpec.stored(jobs.get(connection, f"job_{name}").spec) == spec
            model = trained_models.get(connection, f"model_{name}")
            assert JobSpec.stored(model.spec) == spec
    store.close()
