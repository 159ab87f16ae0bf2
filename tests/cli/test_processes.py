"""`traind serve`, `worker`, `backup` and `restore` as real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from app import address, lifeline
from app.cli import app
from app.cli.exit_codes import ERROR, USAGE
from app.client import Client
from app.store import database, datasets, migrations, workers
from tests import databases
from tests.service.conftest import serving
from tests.waiting import until

TRAIND = str(Path(sys.executable).with_name("traind"))


def environment(home: Path, **variables: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("TRAIND_")}
    return mine | databases.variables(home) | variables


def traind(home: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [TRAIND, *arguments], env=environment(home), capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@contextmanager
def served(home: Path, *options: str) -> Iterator[tuple[lifeline.Process, str]]:
    """A `traind serve` that answers, and its URL; stopped by SIGTERM, which must end it well."""
    port = str(address.free_port("127.0.0.1"))
    process = lifeline.Process(
        [TRAIND, "serve", *options],
        env=environment(home, TRAIND_PORT=port),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith(b"traind answers at")
            yield process, f"http://127.0.0.1:{port}"
            process.terminate()
            assert process.wait() == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "count"), [(["--api-only"], 0), ([], 1), (["--workers", "2"], 2)]
)
def test_so_many_workers_are_started(tmp_path: Path, options: list[str], count: int) -> None:
    with served(tmp_path, *options) as (process, _):
        commands = [child.cmdline()[-1] for child in psutil.Process(process.pid).children()]
        assert sorted(commands) == ["app", *["worker"] * count]


def test_options_that_exclude_each_other_start_nothing(tmp_path: Path) -> None:
    told = traind(tmp_path, "serve", "--api-only", "--workers", "2", code=USAGE)
    assert "--api-only" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite(reason="of the file of a SQLite database")
def test_a_worker_alone_works_for_an_api_elsewhere(tmp_path: Path) -> None:
    process = lifeline.Process(
        [TRAIND, "worker"], env=environment(tmp_path), stderr=subprocess.DEVNULL
    )
    with process:
        try:
            file = tmp_path / "traind.db"
            until(file.exists)

            def alive() -> list[str]:
                with closing(database.connect(file)) as opened, opened.read() as connection:
                    return [each.id for each in workers.listed(connection)]

            until(lambda: database_is_migrated(file))
            (worker,) = until(alive)
            assert healthy(tmp_path)
            (working,) = psutil.Process(process.pid).children()
            assert (tmp_path / "workers" / f"{worker}.lock").exists()
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
            assert not working.is_running()
            assert alive() == []  # it has said that it ends
            assert list((tmp_path / "workers").iterdir()) == []
            assert not healthy(tmp_path)
        finally:
            process.kill()


def healthy(home: Path) -> bool:
    """What the container's health check says."""
    command = [sys.executable, "-P", "-m", "worker", "--healthy"]
    return subprocess.run(command, env=environment(home), check=False).returncode == 0


def test_a_worker_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.serving.find_spec", lambda name: None if name == "torch" else name)
    monkeypatch.setattr(lifeline, "Process", lambda *_: pytest.fail("a worker was started"))
    done = CliRunner().invoke(app, ["worker"])
    assert done.exit_code == ERROR
    assert "pip install 'traind[worker]'" in done.stderr


def database_is_migrated(file: Path) -> bool:
    with closing(database.connect(file)) as opened, opened.read() as connection:
        asked = "SELECT 1 FROM sqlite_master WHERE name = 'workers'"
        return connection.exec_driver_sql(asked).first() is not None


@pytest.mark.sqlite(reason="of the file of a SQLite database")
def test_a_backup_is_restored_to_another_home_and_served(tmp_path: Path) -> None:
    copy = tmp_path / "copy [red].db"
    with serving(tmp_path / "old") as api:
        job = api.submit({"name": "saved"})
        model = api.publish()
        traind(tmp_path / "old", "backup", str(copy))
        told = traind(tmp_path / "old", "restore", str(copy), code=1)
        assert "traind.db exists; stop the service and move it away" in told
    told = traind(tmp_path / "new", "restore", str(copy))
    assert told.startswith(f"{tmp_path}/new/traind.db: restored and checked")
    with served(tmp_path / "new", "--api-only") as (_, url), Client(url, direct=True) as client:
        assert client.job(job)["name"] == "saved"
        assert client.model(model)["id"] == model


@pytest.mark.sqlite(reason="of the file of a SQLite database")
def test_a_backup_without_all_files_says_so(tmp_path: Path) -> None:
    opened = database.connect(tmp_path / "traind.db")
    migrations.migrate(opened)
    with closing(opened), opened.write() as connection:
        made = datasets.create(connection, "tab", "table", {})
        datasets.uploaded(connection, made.id, "ab" * 32, 1)
    told = traind(tmp_path, "backup", str(tmp_path / "copy.db"), code=ERROR)
    assert f"The file of tab@1 is missing in {tmp_path}/objects: sha256 {'ab' * 32}" in told
    assert "1 files of datasets are not in the backup: put them back from an earlier one" in told
    assert "copy.db.objects" not in told
    told = traind(tmp_path, "backup", str(tmp_path / "json.db"), "--json", code=ERROR)
    document = json.loads(told.splitlines()[0])
    assert (document["dataset_files"], document["missing_files"]) == (0, ["ab" * 32])


@pytest.mark.sqlite(reason="of the file of a SQLite database")
def test_a_backup_that_is_not_there_is_told(tmp_path: Path) -> None:
    (line,) = traind(tmp_path / "home", "restore", "none.db", code=1).splitlines()
    assert line.startswith("Nothing was restored: there is no file ")
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_said(tmp_path: Path) -> None:
    assert traind(tmp_path, "--version").startswith("traind 0.")
