"""The traind keys command, and a service beyond the loopback."""

import json
import subprocess
import sys
from contextlib import closing
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.exit_codes import USAGE
from app.local import Service, StartError
from app.store import keys
from app.store.doorbell import hang
from tests import databases
from tests.service.conftest import serving
from tests.waiting import until


def test_the_command_makes_lists_and_revokes_keys(tmp_path: Path) -> None:
    def traind(*arguments: str) -> str:
        return subprocess.run(
            [str(Path(sys.executable).with_name("traind")), "keys", *arguments],
            env=databases.variables(tmp_path) | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        ).stdout

    told = traind("create", "ci", "--scope", "write", "--scope", "read", "--max-jobs", "3")
    (token,) = [word for word in told.split() if word.startswith("traind_")]
    assert keys.key_id(token) in traind("list")
    with serving(tmp_path) as api:
        headers = {"Authorization": f"Bearer {token}"}
        assert api.http.post("/jobs", json={}, headers=headers).status_code == 201
        bell = hang(api.database)  # as every API process has one
        assert bell is not None
        with closing(bell):
            if api.database.path is None:  # its first ring says that it hears
                wait([bell.fileno()])
                bell.hush()
            assert "revoked" in traind("revoke", keys.key_id(token))
            assert wait([bell.fileno()], None if api.database.path is None else 0)
        until(lambda: api.http.get("/jobs", headers=headers).status_code == 401)
    assert token not in traind("list")


@pytest.mark.parametrize("form", ["{token}", "traind_{ulid}_...", "key_{ulid}_{secret}"])
def test_a_leaked_token_names_the_key_to_revoke(tmp_path: Path, form: str) -> None:
    def traind(*arguments: str) -> Any:
        home = databases.variables(tmp_path)
        command = ["keys", *arguments, "--json"]
        done = CliRunner().invoke(app, command, env=home, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout), done.output

    made, _ = traind("create", "ci", "--scope", "read")
    _, ulid, secret = made["token"].split("_", 2)
    told = form.format(token=made["token"], ulid=ulid, secret=secret)
    revoked, output = traind("revoke", told)
    assert revoked["id"] == made["id"]
    assert revoked["revoked_at"] is not None
    assert secret not in output


@pytest.mark.parametrize("text", ["traind_{secret}", "{secret}", "key_{secret}"])
def test_what_is_neither_id_nor_token_is_refused_and_never_shown(text: str) -> None:
    secret = "abc-" * 11
    done = CliRunner().invoke(app, ["keys", "revoke", text.format(secret=secret)])
    assert done.exit_code == USAGE
    assert "keys list" in done.output
    assert "abc-" not in done.output


@pytest.mark.parametrize("name", ["", "  ", "a\tb", "a\nb", "a\x1b[2Jb", "\u202eab"])
def test_a_key_has_a_name_that_is_seen(tmp_path: Path, name: str) -> None:
    home = {"TRAIND_HOME": str(tmp_path)}
    done = CliRunner().invoke(app, ["keys", "create", name, "--scope", "read"], env=home)
    assert done.exit_code == USAGE
    assert list(tmp_path.iterdir()) == []


def test_beyond_loopback_a_key_must_exist(tmp_path: Path) -> None:
    settings = databases.settings(tmp_path, host="0.0.0.0")  # noqa: S104 (that is the point)
    log = tmp_path / "log"
    service = Service(settings, log)
    with pytest.raises(StartError):
        service.start("app")
    assert "traind keys create" in log.read_text()
    opened = Service(settings.model_copy(update={"unprotected": True}), log)
    try:
        opened.start("app")
    finally:
        opened.stop()
