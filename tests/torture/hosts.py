"""A service on hosts of its own: a PostgreSQL server, an API, and workers with a home each."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.rows import tuple_row

from app import lifeline
from app.settings import Settings
from tests.postgresql import Server, started
from tests.torture.network import CUT, Network, network
from tests.waiting import until

DATABASE, API = "database", "api"
WORKERS = ("worker-1", "worker-2", "worker-3")
PASSWORD = "a password"  # noqa: S105
PORT = 5432
SHIFTED = Path(__file__).with_name("shifted_clock.py")


class DatabaseHost:
    """PostgreSQL on a host: by TCP, and with a password."""

    def __init__(self, server: Server, network: Network) -> None:
        """Takes over the folder of a server that listens on a socket only, which it stops."""
        self._network = network
        self.name = server.make()
        server.execute(f"ALTER USER postgres PASSWORD '{PASSWORD}'")
        self._folder, self._programs = server.stop()
        access = "host all all 0.0.0.0/0 scram-sha-256\n"
        (self._folder / "pg_hba.conf").write_text(access)
        self._process: lifeline.Process | None = None

    @property
    def url(self) -> str:
        """The address that API and workers are given."""
        host = self._network.address(DATABASE)
        return f"postgresql+psycopg://postgres:{PASSWORD.replace(' ', '%20')}@{host}/{self.name}"

    def start(self) -> None:
        """Starts it, again after `kill`; returns when it answers."""
        user = ["setpriv", "--reuid", "pgserver", "--regid", "pgserver", "--clear-groups"]
        command = [*user, str(self._programs / "postgres"), "-D", str(self._folder)]
        command += ["-h", self._network.address(DATABASE), "-k", "", "-p", str(PORT)]

        def answers() -> bool:
            if self._process is None or self._process.poll() is not None:
                with (self._folder / "log").open("ab") as log:
                    self._process = self._network.start(
                        DATABASE, command, os.environ, stdout=log, stderr=log
                    )
            with contextlib.suppress(psycopg.OperationalError):
                return self.rows("SELECT 1") == [(1,)]
            return False

        until(answers)

    def family(self) -> list[psutil.Process]:
        """The server's processes."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        return [*server.children(recursive=True), server]

    def kill(self) -> None:
        """SIGKILL to the server and everything that it started."""
        family = self.family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        psutil.wait_procs(family, timeout=10)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It does nothing while the block runs, and its host still acknowledges what it is sent."""
        family = self.family()
        try:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            yield
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query finds, asked over the link of this process, which no test disturbs."""
        address = self.url.replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.cursor(row_factory=tuple_row)
            return cursor.execute(query, values).fetchall()  # type: ignore[call-overload,unused-ignore,no-any-return]

    def stop(self) -> None:
        """Stops it: SIGINT ends its sessions."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)


class Hosts:
    """The running service. Its processes have their logs in `folder`."""

    def __init__(self, network: Network, database: DatabaseHost, folder: Path) -> None:
        self.network = network
        self.database = database
        self.url = f"http://{network.address(API)}:8000"
        self._folder = folder
        self.processes: dict[str, lifeline.Process] = {}
        self.expected: set[str] = set()
        """Digests of the weights of undisturbed runs."""

    def start(self, *names: str, clock: int | None = None, **settings: Any) -> None:
        """Starts the API or workers, each on its host; `clock` is by how many seconds it is off."""
        for host in names:
            home = self._folder / host
            home.mkdir(exist_ok=True)
            given = Settings(
                home=home,
                database_url=self.database.url,
                host=self.network.address(API),
                unprotected=True,
                **settings,
            )
            command = [sys.executable, "-P", "-m", "app" if host == API else "worker"]
            if clock is not None:
                command = [sys.executable, str(SHIFTED), str(clock), command[-1]]
            self.log(host).unlink(missing_ok=True)
            with self.log(host).open("ab") as log:
                self.processes[host] = self.network.start(
                    host,
                    command,
                    given.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=home,
                )
        for host in names:
            if host == API:
                assert self.processes[host].await_ready(), self.log(host).read_text()
            else:
                until(partial(self.has_logged, host, "is ready"))

    def log(self, host: str) -> Path:
        """The log of the process of a host."""
        return self._folder / f"{host}.log"

    def has_logged(self, host: str, words: str) -> bool:
        """Whether its process has said this."""
        return words in self.log(host).read_text()

    def kill(self, host: str) -> None:
        """SIGKILL to the worker of a host; its runs end with it."""
        process = self.processes.pop(host)
        process.kill()
        process.wait()

    @contextmanager
    def gone(self, how: str) -> Iterator[None]:
        """The API's database is `cut` off, or `frozen`, while the block runs."""
        if how == "frozen":
            with self.database.frozen():
                yield
            return
        self.network.between(API, DATABASE, CUT)
        yield
        self.network.heal()

    def stop(self, *hosts: str) -> None:
        """Stops these processes, by default all."""
        stopping = [self.processes.pop(host) for host in hosts or tuple(self.processes)]
        lifeline.stop(stopping, 30)

    def pids(self) -> set[int]:
        """The processes that were started: all live."""
        for host, process in self.processes.items():
            assert process.poll() is None, (host, self.log(host).read_text()[-3000:])
        return {each.pid for each in self.processes.values()}

    def events(self, job_id: str) -> list[tuple[Any, ...]]:
        """A job's log, as it is stored."""
        query = "SELECT id, kind, message FROM events WHERE job_id = %s ORDER BY id"
        return self.database.rows(query, job_id)

    def has_checkpoint(self, job_id: str) -> bool:
        """Whether a job's run could go on elsewhere."""
        return bool(self.database.rows("SELECT 1 FROM checkpoints WHERE job_id = %s", job_id))

    def digests(self) -> set[str]:
        """Of the weights of every model."""
        return {row[0] for row in self.database.rows("SELECT weights_sha256 FROM models")}

    def holder(self, job_id: str) -> str:
        """The host whose worker holds a job, or an empty text."""
        ((attempt,),) = self.database.rows("SELECT attempt FROM jobs WHERE id = %s", job_id)
        holders = (
            host for host in WORKERS if self.has_logged(host, f"{job_id}: attempt {attempt}")
        )
        return next(holders, "")


@contextmanager
def hosts(folder: Path) -> Iterator[Hosts]:
    """Hosts with a running database; skips the test where there can be none."""
    with network(DATABASE, API, *WORKERS) as net, contextlib.contextmanager(started)() as server:
        database = DatabaseHost(server, net)
        running = Hosts(net, database, folder)
        try:
            database.start()
            yield running
        finally:
            net.heal()
            running.stop()
            database.stop()
