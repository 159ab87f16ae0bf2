"""What is wrong at the start is said in a line each, with the value and what to do."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from app.store import database, migrations
from tests.receiver import SECRET, allow

TRAIND = [str(Path(sys.executable).with_name("traind"))]
API = [sys.executable, "-P", "-m", "app"]
WORKER = [sys.executable, "-P", "-m", "worker"]


def refused(command: list[str], folder: Path, **environment: str) -> list[str]:
    """The lines on standard error of a command that must fail in the empty folder."""
    variables = {name: value for name, value in os.environ.items() if "TRAIND" not in name}
    done = subprocess.run(
        command,
        env={**variables, "TRAIND_PORT": "0", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("command", [[*TRAIND, "serve"], [*TRAIND, "jobs"], API, WORKER])
def test_each_wrong_setting_has_a_line(command: list[str], tmp_path: Path) -> None:
    lines = refused(command, tmp_path, TRAIND_PORT="eighty", TRAIND_SLOTS="0")
    assert [line.partition(":")[0] for line in lines] == ["TRAIND_PORT=eighty", "TRAIND_SLOTS=0"]


@pytest.mark.parametrize("command", [[*TRAIND, "keys", "create", "x", "--scope", "read"], API])
@pytest.mark.parametrize("home", ["/dev/null/home", "/proc/home", "~nobody-of-this-name"])
def test_a_home_that_cannot_be_had_is_named(command: list[str], home: str, tmp_path: Path) -> None:
    (line,) = refused(command, tmp_path, TRAIND_HOME=home)
    assert home.lstrip("~") in line
    assert "TRAIND_HOME" in line


@pytest.mark.parametrize(
    "command",
    [
        [*TRAIND, "backup", "copy.db"],
        [*TRAIND, "keys", "list"],
        [*TRAIND, "keys", "revoke", "key_1"],
        [*WORKER, "--healthy"],
    ],
)
def test_a_mistyped_home_is_not_made(command: list[str], tmp_path: Path) -> None:
    (line,) = refused(command, tmp_path, TRAIND_HOME="mistyped")
    assert line.startswith(f"There is no database of traind at {tmp_path}/mistyped/traind.db")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_database_to_back_up(tmp_path: Path) -> None:
    (tmp_path / ".traind").mkdir()
    (tmp_path / ".traind" / "traind.db").touch()
    (line,) = refused([*TRAIND, "backup", "copy.db"], tmp_path)
    assert line.startswith("There is no database of traind at")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("command", [["serve"], ["backup", "copy.db"], ["keys", "list"]])
@pytest.mark.parametrize("kept", [0, 100, 4096])
def test_a_damaged_database_is_told_with_the_way_back(
    command: list[str], kept: int, tmp_path: Path
) -> None:
    file = tmp_path / "traind.db"
    with closing(database.connect(file)) as made:
        migrations.migrate(made)
    content = file.read_bytes()
    file.write_bytes(content[:kept] + b"\xff" * (len(content) - kept))
    line = refused([*TRAIND, *command], tmp_path, TRAIND_HOME=str(tmp_path))[0]
    assert line.startswith(f"The database {file} is damaged (")
    assert "traind restore" in line


@pytest.mark.parametrize("url", ["nonsense", "mysterious://host/db", "sqlite:////dev/null/a.db"])
def test_a_database_that_cannot_be_opened_is_named(url: str, tmp_path: Path) -> None:
    (line,) = refused(WORKER, tmp_path, TRAIND_DATABASE_URL=url)
    assert "TRAIND_DATABASE_URL" in line


def test_a_home_with_a_tilde_is_in_the_users_folder(tmp_path: Path) -> None:
    (line,) = refused([*TRAIND, "backup", "copy.db"], tmp_path, TRAIND_HOME="~/x", HOME="/users/a")
    assert "/users/a/x/traind.db" in line


@pytest.mark.parametrize("command", [[*TRAIND, "serve"], API])
def test_another_program_on_the_port_is_told(command: list[str], tmp_path: Path) -> None:
    class Greeting(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mail\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Greeting) as stranger:
        Thread(target=stranger.serve_forever, daemon=True).start()
        port = stranger.server_address[1]
        (line,) = refused(command, tmp_path, TRAIND_PORT=str(port))
        stranger.shutdown()
    assert line.startswith(f"Another program already listens at http://127.0.0.1:{port}: stop it")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [[*TRAIND, "serve"], API])
def test_a_silent_program_on_the_port_is_told(command: list[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        (line,) = refused(command, tmp_path, TRAIND_PORT=str(port))
    told = f"Something listens at http://127.0.0.1:{port} and does not answer within 2 s: "
    assert line.startswith(told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_here_is_told(host: str, tmp_path: Path) -> None:
    (line,) = refused([*TRAIND, "serve"], tmp_path, TRAIND_HOST=host)
    assert "TRAIND_HOST" in line
    assert host in line


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        (b"", "is not JSON"),
        (b'{"name": }', "is not JSON: Expecting value: line 1 column 10"),
        (b'{"name": "\xff"}', "is not UTF-8 text (byte 10)"),
        ('{"name": "a"}'.encode("utf-16"), "is text in UTF-16; save it as UTF-8."),
        ('{"name": "a"}'.encode("utf-16-le"), "is text in UTF-16; save it as UTF-8."),
        (b'{"lr": NaN}', "NaN is not a JSON value"),
        (b'{"name": "a", "name": "b"}', "'name' appears twice"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_spec_file_that_is_none_is_told(content: bytes | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "a [bold] b.json"
    if content is not None:
        file.write_bytes(content)
    (line,) = refused([*TRAIND, "submit", file.name], tmp_path)
    assert line.startswith(file.name)
    assert told in line


def test_a_spec_is_utf8_and_its_errors_are_printed_in_any_locale(tmp_path: Path) -> None:
    (tmp_path / "é.json").write_bytes('{"name": "é"'.encode())
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (line,) = refused([*TRAIND, "submit", "é.json"], tmp_path, **ascii_only)
    assert ".json is not JSON" in line


def test_nobody_there_is_told_with_the_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    (line,) = refused([*TRAIND, "jobs", "--url", url], tmp_path)
    assert line == f"No traind answers at {url} (Connection refused); `traind serve` starts one."


def test_a_name_that_nobody_has_is_told_as_such(tmp_path: Path) -> None:
    (line,) = refused([*TRAIND, "jobs", "--url", "http://no.such.host.invalid"], tmp_path)
    assert line.startswith("http://no.such.host.invalid cannot be reached: ")
    assert line.endswith(". Check TRAIND_URL and --url.")
    assert "traind serve" not in line


def test_https_to_a_port_of_plain_http_is_told_as_such(tmp_path: Path) -> None:
    class Plain(StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read1()
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Plain) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_address[1]}"
        (line,) = refused([*TRAIND, "jobs", "--url", url], tmp_path)
        server.shutdown()
    assert line.startswith(f"{url} cannot be reached: [SSL")
    assert "https://" in line.partition("Check")[2]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    (line,) = refused([*TRAIND, "jobs"], tmp_path, SSL_CERT_FILE=str(file))
    assert line.startswith(f"{file}: ")
    assert "SSL_CERT_FILE" in line


@pytest.mark.parametrize(
    "command",
    [API, WORKER, [*TRAIND, "keys", "create", "x", "--scope", "read", "--webhook", "ci"]],
    ids=["api", "worker", "keys"],
)
def test_a_bad_file_of_webhooks_is_said_without_its_secret(
    command: list[str], tmp_path: Path
) -> None:
    file = allow(tmp_path / "webhooks.toml", ci=80)
    file.write_text(file.read_text().replace(SECRET, SECRET[6:]))
    (line,) = refused(command, tmp_path, TRAIND_WEBHOOKS=str(file))
    assert line == f"TRAIND_WEBHOOKS={file}: ci.secret: must begin with whsec_"


def test_a_key_names_no_destination_that_is_not_allowed(tmp_path: Path) -> None:
    create = [*TRAIND, "keys", "create", "x", "--scope", "read", "--webhook", "cl"]
    file = allow(tmp_path / "webhooks.toml", ci=80)
    (line,) = refused(create, tmp_path, TRAIND_WEBHOOKS=str(file))
    assert line.startswith("there is no destination 'cl': the operator allows ci")
    assert not (tmp_path / ".traind").exists()


def test_a_worker_without_mlflow_says_how_to_install_it(tmp_path: Path) -> None:
    if find_spec("mlflow") is not None:
        pytest.skip("mlflow-skinny is here")
    (line,) = refused(WORKER, tmp_path, TRAIND_MLFLOW_URI="http://127.0.0.1:9")
    assert line == "TRAIND_MLFLOW_URI needs mlflow-skinny: pip install 'traind[mlflow]'."


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("databricks", "must begin with http:// or https://"),
        ("http://me:hidden@127.0.0.1:5000", "must contain no password"),
        ("http://me:hidden@", "must begin with http:// or https://"),
    ],
    ids=["no address", "password", "no host"],
)
def test_an_address_of_mlflow_is_checked_and_its_password_never_shown(
    uri: str, told: str, tmp_path: Path
) -> None:
    (line,) = refused(API, tmp_path, TRAIND_MLFLOW_URI=uri)
    assert told in line
    assert "hidden" not in line
