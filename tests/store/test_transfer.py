"""A database is transferred whole or not at all, and what is read again is what was there."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, insert, inspect, text, update

from app.store import database, jobs, migrations, tables, transfer
from app.store.disk import DatabaseDamaged
from app.store.errors import (
    DatabaseInUse,
    DatabaseMissing,
    DatabaseUnavailable,
    SchemaMismatch,
    StoreError,
)
from app.store.transfer import TransferRefused
from tests.postgresql import Server
from tests.store import filling
from tests.store.test_leases import SPEC


@pytest.fixture
def source(migrated: Path, tmp_path: Path) -> Path:
    """A SQLite file, nowhere open, with rows in every table."""
    file = tmp_path / "source" / "a %20b.db"
    file.parent.mkdir()
    shutil.copy(migrated, file)
    with closing(database.connect(file)) as opened, opened.write() as connection:
        filling.fill(connection)
    return file


@pytest.fixture
def target(migrated_url: str) -> str:
    """The address of a database of each kind, which has tables already: that is quicker."""
    return migrated_url


def rows(where: str) -> int:
    """How many there are in all tables."""
    return sum(map(len, filling.content(where).values()))


def refused(source: str | Path, target: str | Path, error: type[StoreError]) -> str:
    """Why nothing was transferred, in one line without the password."""
    with pytest.raises(error) as caught:
        transfer.transfer(source, target)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_row_arrives_and_goes_back(source: Path, url: str, tmp_path: Path) -> None:
    bytes_before, before = source.read_bytes(), filling.content(source)
    told: list[int] = []
    progress = transfer.Progress(started=told.append, advanced=told.append)
    done = transfer.transfer(source, url, progress)
    assert {name: len(rows) for name, rows in before.items()} == done.rows
    assert set(done.rows.values()) == {filling.ROWS}
    assert filling.content(url) == before
    with closing(database.connect(url)) as opened, opened.read() as connection:
        present = set(inspect(connection).get_table_names()) - {transfer.VERSION_TABLE}
    assert present == set(done.rows)
    assert (done.damaged, done.replaced) == (0, {})
    assert told[0] == sum(told[1:]) == 2 * filling.ROWS * len(before)
    assert source.read_bytes() == bytes_before
    assert [path.name for path in source.parent.iterdir()] == [source.name]
    back = tmp_path / "back.db"
    assert transfer.transfer(url, back).rows == done.rows
    assert filling.content(back) == before


@pytest.mark.postgresql
def test_no_number_comes_from_a_sequence(migrated_url: str) -> None:
    """If one does some day, a transfer has to set it."""
    with closing(database.connect(migrated_url)) as opened, opened.read() as connection:
        assert connection.execute(text("SELECT * FROM pg_sequences")).all() == []


@pytest.mark.parametrize("table", ["jobs", "workers"])
def test_a_target_that_holds_anything_is_refused(
    source: Path, migrated_url: str, table: str
) -> None:
    with closing(database.connect(migrated_url)) as opened, opened.write() as connection:
        filling.fill(connection)
        for each in reversed(tables.metadata.sorted_tables):
            if each.name != table:
                connection.execute(delete(each))
    before = filling.content(migrated_url)
    message = refused(source, migrated_url, TransferRefused)
    assert f"the target holds {table} already; make a new, empty database" in message
    assert filling.content(migrated_url) == before


def test_tables_of_others_are_not_mixed_with_ours(source: Path, url: str) -> None:
    with closing(database.connect(url)) as opened, opened.write() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (number INTEGER)")
    assert "holds tables of something else" in refused(source, url, TransferRefused)
    with closing(database.connect(url)) as opened, opened.read() as connection:
        assert inspect(connection).get_table_names() == ["theirs"]


def test_a_source_of_a_newer_traind_is_refused(source: Path, target: str) -> None:
    with closing(database.connect(source)) as opened, opened.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert "has schema 9999, this traind knows" in refused(source, target, SchemaMismatch)


@pytest.mark.sqlite
def test_an_older_source_is_upgraded_in_a_copy(target: str, tmp_path: Path) -> None:
    file = tmp_path / "old" / "traind.db"
    with closing(database.connect(file)) as opened:
        opened.use_write_ahead_log()
        with opened.write() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(migrations.__file__).parent))
            config.attributes["connection"] = connection
            command.upgrade(config, "0010")
            connection.exec_driver_sql(
                "INSERT INTO dataset_names (name, last_version) VALUES ('cats', 2)"
            )
    before = file.read_bytes()
    assert transfer.transfer(file, target).rows["dataset_names"] == 1
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    with closing(database.connect(target)) as opened:
        assert migrations.schema_of(opened) == migrations.SCHEMA


HOLDING = """
import sys
from contextlib import closing
from app.store import database
with closing(database.connect(sys.argv[1])) as opened:
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator[Any]:
    """Another process that has a database open, and does nothing with it."""
    started: list[subprocess.Popen[str]] = []

    def hold(where: str | Path) -> None:
        address = where if isinstance(where, str) else f"sqlite:///{where.as_posix()}"
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDING, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "open\n"

    yield hold
    for process in started:
        process.communicate("")


@pytest.mark.sqlite
def test_a_source_that_another_process_has_open_is_refused(
    source: Path, target: str, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BUSY_SECONDS", 0.3)
    plain = source.rename(source.with_name("plain.db"))
    holder(plain)
    assert f"{plain} is in use: stop every process" in refused(plain, target, DatabaseInUse)


@pytest.mark.postgresql
@pytest.mark.parametrize("role", ["source", "target"])
def test_so_is_a_server_s_database_either_way(
    source: Path, migrated_url: str, role: str, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BUSY_SECONDS", 0.3)
    monkeypatch.setattr("app.store.dialects.postgresql.LINGER_SECONDS", 0.0)
    holder(migrated_url)
    pair = (source, migrated_url) if role == "target" else (migrated_url, source.with_name("new"))
    assert "is in use: stop every process" in refused(*pair, DatabaseInUse)


def test_nobody_writes_to_the_source_meanwhile(source: Path, target: str) -> None:
    tried: list[Exception] = []

    def write(_total: int) -> None:
        try:
            opened = database.connect(source, busy_seconds=0.1)
            with closing(opened), opened.write() as connection:
                jobs.submit(connection, SPEC)
        except StoreError as error:
            tried.append(error)

    transfer.transfer(source, target, transfer.Progress(started=write))
    assert len(tried) == 1


def test_an_interrupted_transfer_leaves_an_empty_target(source: Path, target: str) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(_rows: int) -> None:
        if next(left) == 0:
            raise Interrupted

    for after in (0, 2 * len(tables.metadata.tables)):
        left = iter(range(after, -1, -1))
        with pytest.raises(Interrupted):
            transfer.transfer(source, target, transfer.Progress(advanced=interrupt))
        assert rows(target) == 0
    done = transfer.transfer(source, target)
    assert rows(target) == sum(done.rows.values())


@pytest.mark.parametrize(
    "change",
    [
        update(tables.metrics).values(value=0.5),
        update(tables.checkpoints).values(content=b"other"),
        delete(tables.events),
        insert(tables.dataset_names).values(name="one more", last_version=1),
    ],
    ids=["a number", "a blob", "a row less", "a row more"],
)
def test_what_arrives_otherwise_is_found_and_undone(
    source: Path, target: str, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = transfer._copy

    def faulty(old: Any, new: Any, table: Any, *rest: Any) -> Any:
        sent = copy(old, new, table, *rest)
        if table is change.table:
            new.execute(change)
        return sent

    monkeypatch.setattr(transfer, "_copy", faulty)
    assert "did not arrive as sent" in refused(source, target, TransferRefused)
    assert rows(target) == 0


def test_what_cannot_be_stored_is_counted(source: Path, target: str, dialect: str) -> None:
    odd = {"a": float("nan"), "b": [float("inf"), "x\0y\0"], "c\0": 1}
    with closing(database.connect(source)) as opened, opened.write() as connection:
        changed = update(tables.events).where(tables.events.c.id == 2**62)
        connection.execute(changed.values(data=odd, message="a\0b"))
    done = transfer.transfer(source, target)
    stored = [row for row in filling.content(target)["events"] if row["id"] == 2**62]
    if dialect == "sqlite":
        assert done.replaced == {}
        assert repr(stored[0]["data"]) == repr(odd)
        return
    assert done.replaced == {"NUL characters": 4, "numbers that are not finite": 2}
    assert stored[0]["data"] == {"a": None, "b": [None, "x\ufffdy\ufffd"], "c\ufffd": 1}
    assert stored[0]["message"] == "a\ufffdb"


def test_damaged_blobs_are_carried_as_they_are(source: Path, target: str) -> None:
    with closing(database.connect(source)) as opened, opened.write() as connection:
        connection.execute(update(tables.model_files).values(content=b"damaged"))
    before = filling.content(source)
    assert transfer.transfer(source, target).damaged == filling.ROWS
    assert filling.content(target) == before


@pytest.mark.postgresql
def test_a_value_that_does_not_fit_is_told_in_a_line(source: Path, target: str) -> None:
    with closing(database.connect(source)) as opened, opened.write() as connection:
        connection.execute(update(tables.jobs).values(worker="w" * 200))
    assert "value too long" in refused(source, target, TransferRefused)
    assert rows(target) == 0


def test_a_source_that_is_none(tmp_path: Path, target: str, postgresql: Server) -> None:
    assert "no database of traind" in refused(tmp_path / "none.db", target, DatabaseMissing)
    assert not (tmp_path / "none.db").exists()
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"noise" * 1000)
    assert "not a database" in refused(noise, target, DatabaseDamaged)
    assert "both are the same" in refused(noise, f"sqlite:///{noise}", TransferRefused)
    wrong = "postgresql+psycopg://me:secret@127.0.0.1:1/none"
    assert "secret" not in refused(wrong, target, DatabaseUnavailable)
    name = postgresql.make()
    assert "no database of traind" in refused(postgresql.url(name), noise, DatabaseMissing)
    postgresql.drop(name)
