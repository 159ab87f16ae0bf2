"""`traind migrate-database`: what it prints, and how it says what it refuses."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.error_lines import told
from app.store import database, migrations
from tests.store import filling


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source.db"
    with closing(database.connect(file)) as opened:
        migrations.migrate(opened)
        with opened.write() as connection:
            filling.fill(connection)
    return file


def migrate(source: Path | str, target: Path | str, *options: str) -> str:
    """What the command prints where all goes well."""
    command = ["migrate-database", str(source), str(target), *options]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def refusal(source: Path | str, target: Path | str) -> str:
    """The line that a user is told."""
    error = CliRunner().invoke(app, ["migrate-database", str(source), str(target)]).exception
    assert isinstance(error, Exception)
    message = told(error)
    assert message
    assert "\n" not in message
    return message


def test_it_says_what_was_copied_and_what_comes_next(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "target.db"
    printed = migrate(source, target).splitlines()
    assert printed[0].startswith("Copied, and the same when read again: ")
    assert "3 checkpoints" in printed[0]
    assert printed[1:] == [
        f"Next: TRAIND_DATABASE_URL=sqlite:///{target} for every process; TRAIND_HOME stays."
    ]
    assert filling.content(target) == filling.content(source)
    done = json.loads(migrate(target, tmp_path / "third.db", "--json"))
    assert set(done["rows"].values()) == {3}
    assert (done["replaced"], done["damaged"]) == ({}, 0)
    assert "the target holds" in refusal(source, target)


def test_what_is_refused_is_told_in_a_line_without_the_password(source: Path) -> None:
    told = refusal(source, "postgresql+psycopg://me:secret@127.0.0.1:1/none")
    assert "127.0.0.1:1/none" in told
    assert "secret" not in told
    assert "There is no database" in refusal(source.with_name("none.db"), source)
    assert "mysterious://" in refusal("mysterious://me:secret@host/name", source)
