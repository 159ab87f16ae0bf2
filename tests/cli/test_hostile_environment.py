"""`traind serve` where everything around it is against it: one service, started once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from app import address, lifeline
from app.client import Client
from tests.waiting import HANG_SECONDS

TRAIND = str(Path(sys.executable).with_name("traind"))
NAME = "[/x] \x1b[2J\n[bold]"
"""A job's name that is markup for rich, an escape for terminals, and more than one line."""


@dataclass(frozen=True)
class Served:
    """A `traind serve`, and the environment it was started in."""

    process: lifeline.Process
    environment: dict[str, str]
    folder: Path
    home: Path
    url: str

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TRAIND, *arguments],
            env=self.environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("user")
    for module in ("app", "worker", "random", "torch", "sqlalchemy", "httpx"):
        (folder / f"{module}.py").write_text("raise SystemExit('a file of the user was imported')")
    home = folder / "a %41 b?c#d [bold] é"
    temporary = folder / ("t" * 100)
    temporary.mkdir()
    port = address.free_port("127.0.0.1")
    dead = f"http://127.0.0.1:{address.free_port('127.0.0.1')}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRAIND_")},
        "TRAIND_HOME": str(home),
        "TRAIND_PORT": str(port),
        **{f"TRAIND_{name}": "" for name in ("DATABASE_URL", "DATASETS", "HOST", "KEY", "URL")},
        "TMPDIR": str(temporary),
        "http_proxy": dead,
        "HTTPS_PROXY": dead,
        "all_proxy": dead.replace("http", "socks5"),
    }
    process = lifeline.Process(
        [TRAIND, "serve"],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    try:
        told = []
        for line in process.stdout:
            told.append(line.decode())
            if "traind answers at" in told[-1]:
                break
        else:
            pytest.fail("".join(told))
        yield Served(process, environment, folder, home, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_job_trains_to_its_end(served: Served) -> None:
    spec = served.folder / "spec [bold].json"
    spec.write_bytes(b'{"dataset": {"name": "digits"}, "training": {"epochs": 1}}')
    done = served.run("submit", spec.name)
    assert done.returncode == 0, done.stdout + done.stderr
    with Client(served.url, direct=True) as client:
        assert client.job(done.stdout.split()[0])["status"] == "succeeded"


def test_everything_is_written_to_the_home_that_was_named(served: Served) -> None:
    assert (served.home / "traind.db").is_file()
    made = {file.name for file in served.folder.iterdir() if file.suffix not in {".py", ".json"}}
    assert made <= {served.home.name, "t" * 100, "__pycache__"}


def test_a_list_in_a_pipe_has_whole_lines_and_names_are_text(served: Served) -> None:
    with Client(served.url, direct=True) as client:
        job = client.submit({"name": NAME, "training": {"epochs": 1}})
        client.cancel(job["id"])
    done = served.run("jobs", COLUMNS="20")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [job["id"], r"[/x] \x1b[2J\n[bold]"] in [line[:2] for line in lines]
    assert all(len(line) == 5 for line in lines)


def test_a_second_service_says_who_holds_the_port(served: Served) -> None:
    done = served.run("serve")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Another traind already listens at {served.url}: stop it, or set")


@pytest.mark.parametrize("key", ["traind_one\ntwo", "schlüssel", "a b"])
def test_a_key_that_is_none_is_refused_and_not_shown(served: Served, key: str) -> None:
    done = served.run("jobs", TRAIND_KEY=key)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "TRAIND_KEY" in line
    assert not any(part in done.stdout + line for part in (key, "two", "schl"))


def test_a_key_is_read_without_the_line_break_at_its_end(served: Served) -> None:
    assert served.run("jobs", TRAIND_KEY="traind_key\n").returncode == 0


def test_a_whole_key_in_an_error_is_cut_short(served: Served) -> None:
    secret = "traind_" + "0" * 26 + "_secretsecret"
    done = served.run("keys", "revoke", secret)
    assert done.returncode == 1
    assert "secretsecret" not in done.stdout + done.stderr


def test_every_process_ends_with_a_service_that_is_killed(served: Served) -> None:
    started = psutil.Process(served.process.pid).children(recursive=True)
    commands = [" ".join(process.cmdline()) for process in started]
    assert {"app", "worker"} <= {command.split()[-1] for command in commands}
    served.process.kill()
    _, alive = psutil.wait_procs(started, timeout=HANG_SECONDS)
    assert alive == []


def hear_hangups() -> None:
    """As in a terminal, also where these tests run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_the_service_in_an_orderly_way(served: Served, number: int) -> None:
    port = str(address.free_port("127.0.0.1"))
    process = lifeline.Process(
        [TRAIND, "serve"],
        env=served.environment | {"TRAIND_PORT": port},
        cwd=served.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=hear_hangups,
    )
    with process:
        assert process.stdout
        told = b""
        while b"traind answers" not in told:
            told = process.stdout.readline()
        started = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number)  # as a terminal does that is closed
        rest = process.stdout.read()
        assert process.wait() == 0
    assert b"has stopped" in rest, rest
    with suppress(psutil.NoSuchProcess):
        _, alive = psutil.wait_procs(started, timeout=HANG_SECONDS)
        assert alive == []
