"""`traind doctor`: each fault is found, told, and decides the exit code."""

import json
import shutil
import socket
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text, update
from typer.testing import CliRunner

from app import address
from app.cli import app
from app.cli import doctor as checking
from app.jobspec import JobSpec
from app.store import database, datasets, jobs, keys, migrations, tables, workers
from app.store.database import Database
from app.store.object_folder import ObjectFolder
from tests import runs
from tests.receiver import SECRET, allow
from tests.service.conftest import serving
from tests.waiting import until

Doctor = Callable[..., dict[str, Any]]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Runs it on the home; returns what each check has found, and `code`, the exit code."""

    def run(**environment: str) -> dict[str, Any]:
        variables = {"TRAIND_HOME": str(tmp_path), "TRAIND_PORT": "0", **environment}
        done = CliRunner().invoke(app, ["doctor", "--json"], env=variables, catch_exceptions=False)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return {each["name"]: each for each in found} | {"code": done.exit_code}

    return run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = database.connect(tmp_path / "traind.db")
    migrations.migrate(opened)
    with closing(opened):
        yield opened


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {name: each["verdict"] for name, each in found.items() if name != "code"}


def test_before_the_first_start_nothing_fails_and_nothing_is_made(
    doctor: Doctor, tmp_path: Path
) -> None:
    found = doctor()
    assert found["code"] == 0
    assert verdicts(found)["database"] == "warn"
    assert "`traind serve` makes one" in found["database"]["advice"]
    assert list(tmp_path.iterdir()) == []
    assert "traind 0." in found["versions"]["found"]


def test_a_service_with_a_worker_is_well(doctor: Doctor, store: Database) -> None:
    with store.write() as connection:
        runs.register(connection, "wrk_7", name="gpu7")
    found = doctor()
    assert (found["code"], set(verdicts(found).values())) == (0, {"ok"})
    assert found["workers"]["found"] == "1 alive: gpu7"


def test_jobs_without_a_worker_fail(doctor: Doctor, store: Database) -> None:
    assert verdicts(doctor())["workers"] == "warn"
    with store.write() as connection:
        jobs.submit(connection, JobSpec().model_dump(mode="json"))
    found = doctor()
    assert (found["code"], found["workers"]["verdict"]) == (1, "fail")
    assert "jobs wait" in found["workers"]["found"]
    assert "`traind worker`" in found["workers"]["advice"]


@pytest.mark.parametrize("of", ["worker", "lease"])
def test_a_clock_that_was_set_back_fails(doctor: Doctor, store: Database, of: str) -> None:
    with store.write() as connection:
        later = database.now(connection) + 3600 * workers.SECOND
        if of == "worker":
            runs.register(connection, "wrk_7", name="gpu7")
            connection.execute(update(tables.workers).values(heartbeat_at=later))
        else:
            jobs.submit(connection, JobSpec().model_dump(mode="json"))
            assert runs.claim(connection)
            connection.execute(update(tables.jobs).values(lease_expires_at=later))
    found = doctor()
    assert (found["code"], found["clock"]["verdict"]) == (1, "fail")
    assert "s behind that of a worker" in found["clock"]["found"]


@pytest.mark.parametrize(
    ("schema", "verdict", "told"), [("0009", "warn", "upgrades it"), ("9999", "fail", "newer one")]
)
def test_another_schema(
    doctor: Doctor, store: Database, schema: str, verdict: str, told: str
) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": schema})
    found = doctor()
    assert (found["database"]["verdict"], found["code"]) == (verdict, int(verdict == "fail"))
    assert told in found["database"]["advice"]
    assert "workers" not in found


def test_a_database_that_is_none_fails(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "traind.db").write_text("no database " * 1000)
    found = doctor()
    assert (found["database"]["verdict"], found["code"]) == ("fail", 1)


def test_the_folder_of_datasets(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert doctor(TRAIND_DATASETS=str(folder))["datasets"]["verdict"] == "fail"
    folder.mkdir()
    assert doctor(TRAIND_DATASETS=str(folder))["datasets"]["verdict"] == "warn"
    (folder / "KMNIST" / "raw").mkdir(parents=True)
    found = doctor(TRAIND_DATASETS=str(folder))["datasets"]
    assert (found["verdict"], found["found"]) == ("ok", f"KMNIST at {folder}")


def test_uploaded_files_that_are_gone_are_named_and_fail(
    doctor: Doctor, store: Database, tmp_path: Path
) -> None:
    assert doctor()["files"]["found"] == "no dataset has an uploaded file"
    digests = [sha256(bytes([number])).hexdigest() for number in range(5)]
    objects = ObjectFolder(tmp_path / "objects")
    with store.write() as connection:
        for number, digest in enumerate(digests):
            (tmp_path / "file").write_bytes(bytes([number]))
            objects.put(tmp_path / "file", digest)
            made = datasets.create(connection, f"tab{number}", "table", {})
            datasets.uploaded(connection, made.id, digest, 1)
    found = doctor()["files"]
    assert (found["verdict"], found["found"][:9]) == ("ok", "all uploa")
    objects.discard(digests[3])
    found = doctor()
    assert (found["files"]["verdict"], found["code"]) == ("fail", 1)
    assert f": tab3@1 (sha256 {digests[3]})" in found["files"]["found"]
    assert "backup" in found["files"]["advice"]
    shutil.rmtree(tmp_path / "objects")
    assert found["files"]["found"].startswith("1 of 5 uploaded files are missing in")
    assert doctor()["files"]["found"].endswith(" and 2 more")


@pytest.mark.parametrize(("free", "verdict"), [(10**8, "fail"), (10**9, "warn"), (10**10, "ok")])
def test_the_room_on_the_disk(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage(10**12, 0, free))
    assert doctor()["disk"]["verdict"] == verdict


def test_a_package_that_is_missing(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checking.PARTS, "no-such-package", "install it")
    found = doctor()["no-such-package"]
    assert (found["verdict"], found["advice"]) == ("warn", "install it")


def test_a_damaged_page_of_the_database_is_told_with_the_way_back(
    doctor: Doctor, store: Database, tmp_path: Path
) -> None:
    file = tmp_path / "traind.db"
    of_workers = "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'workers'"
    with store.read() as connection:
        page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        pages = connection.exec_driver_sql(of_workers).scalars().all()
    store.close()
    with file.open("r+b") as opened:
        for page in pages:
            opened.seek((page - 1) * page_bytes)
            opened.write(b"\xff" * page_bytes)
    found = doctor()
    assert (found["database"]["verdict"], found["code"]) == ("fail", 1)
    assert found["database"]["found"].endswith("is damaged (database disk image is malformed)")
    assert "traind restore" in found["database"]["advice"]
    assert "port" in found
    file.write_bytes(b"no database" * 1000)
    assert str(file) in doctor()["database"]["found"]


@contextmanager
def stranger() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield str(other.getsockname()[1])


def test_who_holds_the_port(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stranger() as port:
        found = doctor(TRAIND_PORT=port)
    assert (found["port"]["verdict"], found["code"]) == ("fail", 1)
    assert found["port"]["found"].endswith("does not answer within 2 s")
    with serving(tmp_path / "served") as api:
        port = str(api.service.settings.port)
        found = doctor(TRAIND_PORT=port)["port"]
        assert found["found"].endswith("and is ready")
        with api.database.write() as connection:
            keys.create(connection, "x", frozenset({keys.Scope.ADMIN}), keys.Limits())
        assert doctor(TRAIND_PORT=port)["port"] == found  # the state of a service needs no key
        hung = psutil.Process(api.service.processes["app"].pid)
        hung.suspend()
        try:
            until(lambda: hung.status() == psutil.STATUS_STOPPED)
            monkeypatch.setattr(address, "ANSWER_SECONDS", 0.1)
            found = doctor(TRAIND_PORT=port)["port"]
        finally:
            hung.resume()
        assert found["found"].startswith(f"Something listens at {api.service.url} and does not")
        assert found["advice"].startswith("if it is traind, it hangs; stop it, or")
    assert "is free" in doctor(TRAIND_PORT=port)["port"]["found"]


def test_lines_of_a_pipe_have_four_values(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor"], env={"TRAIND_HOME": str(tmp_path)})
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert {len(line) for line in lines} == {4}
    assert {line[0] for line in lines} <= {"ok", "warn", "fail"}


def test_destinations_of_webhooks_are_named_and_a_bad_secret_is_said_but_not_shown(
    doctor: Doctor, tmp_path: Path
) -> None:
    file = allow(tmp_path / "webhooks.toml", ci=80, chat=81)
    assert doctor()["webhooks"]["verdict"] == "ok"
    found = doctor(TRAIND_WEBHOOKS=str(file))
    assert found["webhooks"]["verdict"] == "ok"
    assert found["webhooks"]["found"] == f"chat, ci allowed by {file}"
    file.chmod(0o644)
    assert doctor(TRAIND_WEBHOOKS=str(file))["webhooks"]["verdict"] == "warn"
    file.write_text(file.read_text().replace(SECRET, SECRET[:-7], 1))
    found = doctor(TRAIND_WEBHOOKS=str(file))
    assert found["code"] == 1
    assert found["webhooks"]["verdict"] == "fail"
    assert "ci.secret: must be base64" in found["webhooks"]["found"]
    assert SECRET[6:20] not in json.dumps(found)


def test_a_bucket_that_does_not_answer_is_said(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore")
    assert "objects" not in doctor()
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        away = doctor(TRAIND_OBJECTS="s3://bucket/x")["objects"]
    assert away["verdict"] == "fail"
    assert "s3://bucket/x cannot be used: it does not answer" in away["found"]


def test_an_mlflow_server_that_does_not_answer_is_said(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "mlflow" not in doctor()
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        known = checking.version
        monkeypatch.setattr(
            checking, "version", lambda name: "3" if name == "mlflow-skinny" else known(name)
        )
        away = doctor(TRAIND_MLFLOW_URI=uri)["mlflow"]
    assert away["verdict"] == "warn"
    assert f"{uri} does not answer" in away["found"]

    def missing(name: str) -> str:
        if name == "mlflow-skinny":
            raise PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(checking, "version", missing)
    assert "install traind[mlflow]" in doctor(TRAIND_MLFLOW_URI=uri)["mlflow"]["advice"]
