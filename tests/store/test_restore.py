"""A backup is put in place whole or not at all."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.jobspec import JobSpec
from app.store import backup, database, datasets, jobs, migrations, restore
from app.store.backup import Copied
from app.store.database import Database
from app.store.object_folder import ObjectFolder
from app.store.restore import RestoreRefused
from app.store.uploads import Uploads

pytestmark = pytest.mark.sqlite


@pytest.fixture
def copy(store: Database, tmp_path: Path) -> Path:
    """A backup of a job and two uploaded files."""
    objects, uploads = ObjectFolder(tmp_path / "objects"), Uploads(tmp_path / "uploads")
    with store.write() as connection:
        jobs.submit(connection, spec("saved"))
        for content in (b"first", b"second"):
            made = datasets.create(connection, "cats", "image", {})
            with uploads.receiving(made.id, 0, time.time()) as file:
                file.write(content)
            digest = uploads.digest(made.id)
            objects.put(uploads.path(made.id), digest)
            datasets.uploaded(connection, made.id, digest, len(content))
    to = tmp_path / "a %20b.db"
    backup.back_up(store, to)
    assert backup.copy_objects(store, objects, to, beside(to)) == Copied(2, [])
    return to


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "new" / "home"


def spec(name: str) -> dict[str, Any]:
    return JobSpec(name=name).model_dump(mode="json")


def beside(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.objects")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def refused(copy: Path, home: Path) -> str:
    """Why it is refused; the home is as it was."""
    before = files(home)
    with pytest.raises(RestoreRefused) as caught:
        restore.restore(copy, home / "traind.db", ObjectFolder(home / "objects"))
    assert files(home) == before
    return str(caught.value)


def test_database_and_files_are_as_they_were(copy: Path, home: Path) -> None:
    objects = ObjectFolder(home / "objects")
    assert restore.restore(copy, home / "traind.db", objects) == []
    opened = database.connect(home / "traind.db", create=False)
    with closing(opened):
        migrations.migrate(opened)
        with opened.read() as connection:
            assert [job.spec["name"] for job in jobs.newest(connection, 10)] == ["saved"]
    found = {path.read_bytes() for path in (home / "objects").rglob("*") if path.is_file()}
    assert found == {b"first", b"second"}
    assert copy.exists()
    assert not list(home.glob("*.restored"))


@pytest.mark.parametrize("ending", ["", "-wal", "-journal"])
def test_nothing_that_is_there_is_written_over(copy: Path, home: Path, ending: str) -> None:
    home.mkdir(parents=True)
    (home / f"traind.db{ending}").write_text("mine")
    assert f"traind.db{ending} exists; stop the service and move it away" in refused(copy, home)
    assert (home / f"traind.db{ending}").read_text() == "mine"


def test_a_damaged_backup_is_refused(copy: Path, home: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    copy.write_bytes(content)
    assert "damaged" in refused(copy, home) or "no backup" in refused(copy, home)


def test_what_only_a_check_of_the_whole_file_finds_is_refused(copy: Path, home: Path) -> None:
    with closing(sqlite3.connect(copy)) as opened:
        opened.execute("CREATE TABLE extra (number INTEGER)")
        opened.execute("PRAGMA writable_schema = ON")
        opened.execute("DELETE FROM sqlite_master WHERE name = 'extra'")  # its page stays
        opened.commit()
    message = refused(copy, home)
    assert "never used" in message
    assert "\n" not in message


def test_rows_that_refer_to_missing_ones_are_refused(copy: Path, home: Path) -> None:
    with closing(sqlite3.connect(copy)) as opened:
        opened.execute("DELETE FROM jobs")
        opened.commit()
    assert "is damaged" in refused(copy, home)


@pytest.mark.parametrize("content", [b"", b"hello" * 1000])
def test_another_file_is_no_backup(tmp_path: Path, home: Path, content: bytes) -> None:
    file = tmp_path / "other.db"
    file.write_bytes(content)
    assert "is no backup of traind" in refused(file, home)
    assert "there is no file" in refused(tmp_path / "none.db", home)


def test_a_backup_of_a_newer_traind_is_refused(copy: Path, home: Path) -> None:
    with closing(sqlite3.connect(copy)) as opened:
        opened.execute("UPDATE alembic_version SET version_num = '9999'")
        opened.commit()
    assert "has schema 9999, this traind knows" in refused(copy, home)


def test_a_database_in_use_is_no_backup(store: Database, tmp_path: Path, home: Path) -> None:
    migrations.migrate(store)
    with store.write() as connection:
        jobs.submit(connection, spec("in the log alone"))
    assert "is a database in use" in refused(tmp_path / "traind.db", home)


def test_a_damaged_file_is_told_and_may_be_done_without(copy: Path, home: Path) -> None:
    whole, damaged = sorted(path for path in beside(copy).rglob("*") if path.is_file())
    with damaged.open("ab") as file:
        file.write(b"more")
    message = refused(copy, home)
    assert f"{damaged} is damaged" in message
    assert "--without-files" in message
    done = CliRunner().invoke(
        app,
        ["restore", str(copy), "--without-files"],
        env={"TRAIND_HOME": str(home), "TRAIND_DATABASE_URL": "", "TRAIND_OBJECTS": ""},
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    assert f"sha256 {damaged.name}\n" in done.output
    assert f"sha256 {whole.name}" not in done.output
    assert files(home / "objects") == {f"sha256/{whole.name[:2]}/{whole.name}"}


def test_a_missing_file_is_told_and_may_be_done_without(copy: Path, home: Path) -> None:
    lost, _ = [path for path in beside(copy).rglob("*") if path.is_file()]
    lost.unlink()
    assert "1 of the 2 files of datasets are not in" in refused(copy, home)
    objects = ObjectFolder(home / "objects")
    assert restore.restore(copy, home / "traind.db", objects, may_lack=True) == [lost.name]
    assert len(files(home / "objects")) == 1


def test_a_file_that_is_in_place_already_need_not_lie_beside(
    copy: Path, home: Path, tmp_path: Path
) -> None:
    beside(copy).rename(tmp_path / "elsewhere")
    objects = ObjectFolder(tmp_path / "elsewhere")
    assert restore.restore(copy, home / "traind.db", objects) == []


def test_what_fails_half_way_leaves_nothing(
    copy: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "hardlink_to", full)
    with pytest.raises(OSError, match="No space"):
        restore.restore(copy, home / "traind.db", ObjectFolder(home / "objects"))
    assert files(home) == set()


def test_a_database_that_appears_meanwhile_stays(
    copy: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Path.hardlink_to

    def late(self: Path, target: Path) -> None:
        self.write_text("started meanwhile")
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", late)
    with pytest.raises(RestoreRefused, match="exists"):
        restore.restore(copy, home / "traind.db", ObjectFolder(home / "objects"))
    assert files(home) == {"traind.db"}
    assert (home / "traind.db").read_text() == "started meanwhile"


def test_the_place_of_a_database(tmp_path: Path) -> None:
    assert restore.place(tmp_path / "a.db") == tmp_path / "a.db"
    assert restore.place("sqlite:////data/a.db") == Path("/data/a.db")
    for other in ("postgresql+psycopg://host/name", "sqlite://", "nonsense"):
        with pytest.raises(RestoreRefused, match="names no SQLite file"):
            restore.place(other)
