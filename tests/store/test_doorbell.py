"""The doorbell: who commits rings, every bell hears it, and a ring fails nobody."""

import os
import subprocess
import sys
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.store import database, doorbell
from app.store.database import Database
from app.store.doorbell import Bell, NoDoorbell

pytestmark = pytest.mark.sqlite

DIE = """
import os, sys
from app.store import database
from app.store.doorbell import Bell
bell = Bell(database.connect(sys.argv[1]))
print(bell.path, flush=True)
os._exit(1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "traind.db.bells"


def rings(bell: Bell) -> bool:
    """Whether it has rung since it was hushed."""
    return bool(wait([bell.fileno()], 0))


def test_every_bell_hears_a_ring_until_it_is_hushed(store: Database) -> None:
    bells = [Bell(store) for _ in range(3)]
    assert [rings(bell) for bell in bells] == [False] * 3
    doorbell.ring(store)
    doorbell.ring(store)
    assert [rings(bell) for bell in bells] == [True] * 3
    bells[0].hush()
    assert [rings(bell) for bell in bells] == [False, True, True]
    for bell in bells:
        bell.close()


def test_a_ringer_need_not_hear_itself(store: Database) -> None:
    own, other = Bell(store), Bell(store)
    doorbell.ring(store, own)
    assert not rings(own)
    assert rings(other)
    own.close()
    other.close()


def test_a_closed_bell_leaves_nothing_behind(store: Database, folder: Path) -> None:
    bell = Bell(store)
    assert list(folder.iterdir()) == [bell.path]
    bell.close()
    assert list(folder.iterdir()) == []


def test_a_bell_knows_that_it_was_removed(store: Database) -> None:
    bell = Bell(store)
    assert not bell.is_removed
    bell.path.unlink()
    assert bell.is_removed
    bell.close()


def test_a_ring_removes_the_pipes_of_the_dead_and_no_others(
    store: Database, url: str, folder: Path
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", DIE, url], stdout=subprocess.PIPE, text=True, check=False
    )
    dead = Path(died.stdout.strip())
    alive = Bell(store)
    os.mkfifo(folder / "half-made.new")
    assert dead.is_fifo()
    doorbell.ring(store)
    assert sorted(folder.iterdir()) == sorted([alive.path, folder / "half-made.new"])
    assert rings(alive)
    alive.close()


def test_a_commit_rings_once_it_can_be_seen_and_a_failed_transaction_never(
    store: Database, url: str
) -> None:
    seen: list[int] = []
    other = database.connect(url)

    def on_commit() -> None:
        with other.read() as connection:
            seen.append(connection.execute(text("SELECT count(*) FROM dataset_names")).scalar_one())

    store.on_commit = on_commit
    insert = text("INSERT INTO dataset_names VALUES ('w', 1)")
    with pytest.raises(RuntimeError), store.write() as connection:
        connection.execute(insert)
        raise RuntimeError
    assert seen == []
    with store.write() as connection:
        connection.execute(insert)
    assert seen == [1]
    other.close()


def test_a_ring_into_a_full_pipe_is_one_of_many_and_the_others_ring(store: Database) -> None:
    bells = [Bell(store), Bell(store)]
    for full, other in (bells, reversed(bells)):  # a ring meets one before the other
        with pytest.raises(BlockingIOError):
            while True:
                os.write(full.fileno(), b"!" * 512)
        doorbell.ring(store)
        assert rings(other)
        for bell in bells:
            bell.hush()
            assert not rings(bell)
    doorbell.ring(store)
    for bell in bells:
        assert rings(bell)
        bell.close()


def test_a_ring_without_a_folder_is_none(store: Database, folder: Path) -> None:
    doorbell.ring(store)
    assert not folder.exists()


def test_a_ring_passes_what_it_cannot_open(store: Database, folder: Path) -> None:
    bells = [Bell(store)]
    (folder / "loop.bell").symlink_to("loop.bell")
    (folder / "folder.bell").mkdir()
    bells.append(Bell(store))
    doorbell.ring(store)
    assert [rings(bell) for bell in bells] == [True, True]
    assert (folder / "loop.bell").is_symlink(), "only the pipes of the dead are removed"
    for bell in bells:
        bell.close()


@pytest.mark.parametrize("refused", ["scandir", "open", "write", "unlink"])
def test_a_ring_without_rights_is_lost_and_fails_nobody(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    bell = Bell(store)
    os.mkfifo(folder / "dead.bell")
    with monkeypatch.context() as patched:
        patched.setattr(doorbell.os, refused, refuse)
        doorbell.ring(store)
    assert rings(bell) is (refused == "unlink")
    bell.close()


def test_where_no_fifo_can_be_made_there_is_no_bell(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    for step in ("mkfifo", "open"):
        with monkeypatch.context() as patched:
            patched.setattr(doorbell.os, step, refuse)
            assert doorbell.hang(store) is None
        assert list(folder.iterdir()) == []
    folder.rmdir()
    folder.touch()  # something else has the name
    with pytest.raises(NoDoorbell):
        Bell(store)
    doorbell.ring(store)


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_is_no_file_has_no_bell(address: str) -> None:
    opened = Database(create_engine(address))
    assert doorbell.hang(opened) is None
    doorbell.ring(opened)
    opened.close()
