"""A SQLite file that turns read-only is told in words, and used again once it may be written to."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.jobspec import JobSpec
from app.main import create_app
from app.settings import Settings
from app.store import database, jobs
from app.store.database import REFUSALS, Database
from app.store.disk import DatabaseUnwritable

pytestmark = pytest.mark.sqlite(reason="the files of a server are not those of the home")


def done(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which may be mounted anew."""
    if not done("mount", "-t", "tmpfs", "-o", "size=24m", "traind-test", str(tmp_path)):
        pytest.skip("mounting a disk needs the rights of root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@contextmanager
def immutable(file: Path) -> Iterator[None]:
    """The file cannot be written to, not even by who has opened it before."""
    if not done("chattr", "+i", str(file)):
        pytest.skip("chattr needs root, and a file system that knows it")
    try:
        yield
    finally:
        done("chattr", "-i", str(file))


def write(store: Database) -> None:
    with store.write() as connection:
        jobs.submit(connection, JobSpec().model_dump(mode="json"))


def count(store: Database) -> int:
    with store.read() as connection:
        return len(jobs.newest(connection, 10))


def test_a_disk_that_refuses_writes_is_told_and_reads_go_on(
    store: Database, tmp_path: Path
) -> None:
    write(store)
    with (
        immutable(tmp_path / "traind.db-wal"),
        pytest.raises(DatabaseUnwritable, match="the disk refuses") as refused,
    ):
        assert count(store) == 1
        write(store)
    assert "SQLITE_IOERR" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
    assert isinstance(refused.value, REFUSALS)
    write(store)
    assert count(store) == 2


def test_a_disk_that_is_mounted_read_only_is_told(migrated: Path, disk: Path) -> None:
    (disk / "traind.db").write_bytes(migrated.read_bytes())
    store = database.connect(disk / "traind.db")
    write(store)
    store._engine.dispose()  # a disk is not mounted anew while its files are open for writing
    assert done("mount", "-o", "remount,ro", str(disk))
    for use in (write, count, Database.stamp):
        with pytest.raises(DatabaseUnwritable, match="cannot be opened: SQLITE_CANTOPEN"):
            use(store)
    assert done("mount", "-o", "remount,rw", str(disk))
    write(store)
    assert count(store) == 2
    store.close()


def test_the_api_says_what_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(create_app(Settings(home=tmp_path)), "http://localhost") as client:
        assert client.post("/jobs", json={}).status_code == 201
        with immutable(tmp_path / "traind.db-wal"):
            answer = client.post("/jobs", json={})
            assert client.get("/jobs").status_code == 200
        assert client.post("/jobs", json={}).status_code == 201
    document = answer.json()
    assert (answer.status_code, document["code"]) == (503, "database_unwritable")
    assert answer.headers["retry-after"]
    assert "not read-only, and that the user of traind may write" in document["detail"]
    assert document["detail"] in caplog.text
