"""`--json` of the commands whose tables have tests elsewhere: the API's documents, one a line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.client import Client
from tests import databases
from tests.diagnosed import HEALTHY, diagnosis
from tests.service.commands import documents, rows
from tests.service.conftest import Api
from tests.service.test_data_cli import worker
from tests.service.test_diagnosis_api import diverge, start, succeed


def test_recipes(api: Api) -> None:
    found = documents(api, "presets")
    assert found == api.http.get("/presets").json()["data"]
    assert rows(api, "presets") == [[each["name"], each["about"]] for each in found]


def test_what_is_asked_of_a_job(api: Api) -> None:
    job = api.submit({"name": "é\x1b"})
    for command, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        (found,) = documents(api, command, job)
        assert (found["id"], found["status"], found["name"]) == (job, status, "é\x1b")
    failed = diverge(api, start(api))
    (again,) = documents(api, "retry", failed)
    assert again["retry_of"] == failed
    (known,) = documents(api, "diagnose", failed)
    assert known == api.http.get(f"/jobs/{failed}/diagnosis").json()
    lease = start(api)
    succeed(api, lease, diagnosis(HEALTHY), 0.9)
    (test,) = documents(api, "lr-range", lease.job_id, "--no-watch")
    assert test["range_of"] == lease.job_id


def test_datasets(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "pets.zip"
    file.write_bytes(b"PK")
    with worker(api):
        (made,) = documents(api, "data", "add", "json-pets", str(file))
    with Client(api.service.url) as client:
        assert made == client.datasets.get("json-pets")
        assert documents(api, "data", "report", "json-pets") == [
            client.datasets.report("json-pets")
        ]
        assert made in documents(api, "data", "list")
        client.datasets.delete("json-pets")


@pytest.fixture
def traind(tmp_path: Path) -> Any:
    def run(*arguments: str) -> list[Any]:
        done = CliRunner().invoke(
            app, [*arguments, "--json"], env=databases.variables(tmp_path), catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_keys(traind: Any) -> None:
    (made,) = traind("keys", "create", "ci", "--scope", "write", "--max-jobs", "3")
    assert made.pop("token").startswith(f"traind_{made['id'].removeprefix('key_')}_")
    assert made["scopes"] == ["write"]
    assert made["limits"] == {"jobs": 3, "stored_bytes": None, "requests_per_second": None}
    assert (made["last_used_at"], made["revoked_at"]) == (None, None)
    assert traind("keys", "list") == [made]
    (revoked,) = traind("keys", "revoke", made["id"])
    assert revoked["revoked_at"] >= made["created_at"]
    assert traind("keys", "list") == [revoked]


@pytest.mark.sqlite(reason="a server has its own backup")
def test_a_backup_and_its_way_back(traind: Any, tmp_path: Path) -> None:
    traind("keys", "create", "ci", "--scope", "read")
    copy = tmp_path / "copy.db"
    (made,) = traind("backup", str(copy))
    counts = {"dataset_files": 0, "missing_files": []}
    assert made == {"file": str(copy), "bytes": copy.stat().st_size, **counts}
    for file in tmp_path.glob("traind.db*"):
        if file.is_file():
            file.unlink()
    (back,) = traind("restore", str(copy))
    assert back == {"database": str(tmp_path / "traind.db"), "missing_files": []}
    assert [key["name"] for key in traind("keys", "list")] == ["ci"]
