"""Real supervisors, forked from one process, whose runs are stand-ins: what they ask of a server.

A busy one has a job that says every 100 ms where it is, as a run of small steps does.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.codes import StopReason
from app.settings import Settings
from app.store import database, jobs, migrations
from app.store.database import Database
from benchmarks.scale.databases import SPEC, queue_many, server
from tests.postgresql import Server
from worker.calibrator import Calibrator
from worker.capacity import CPU
from worker.messages import Order, Report, Step, Stopped
from worker.supervisor import DATABASE_SECONDS, Supervisor

CONNECTIONS = 2
"""Of a worker."""
REPORT_SECONDS = 0.1
SUBMIT_SECONDS = 0.2


class Endless:
    """A run that only says where it is."""

    def __init__(self) -> None:
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._ear, False)
        self._stopping: StopReason | None = None
        self._killed = False
        threading.Thread(target=self._say, daemon=True).start()

    @property
    def waitables(self) -> Sequence[int]:
        return [self._ear]

    def _say(self) -> None:
        while not self._killed:
            os.write(self._mouth, b"!")
            time.sleep(REPORT_SECONDS)

    def reports(self) -> list[Report]:
        try:
            os.read(self._ear, 65536)
        except BlockingIOError:
            return []
        if self._stopping is not None:
            return [Stopped(self._stopping)]
        return [Step(1, 10, 1, 10, 1.0, 1.0)]

    def stop(self, reason: StopReason) -> None:
        self._stopping = reason

    def kill(self) -> None:
        self._killed = True

    def death(self) -> str | None:
        return "killed" if self._killed else None

    def close(self) -> None:
        """Its end of the pipe goes with the process."""


class StandIn:
    """An engine that is always ready."""

    capacity = CPU

    def warm_up(self) -> None: ...

    def is_ready(self) -> bool:
        return True

    def start(self, order: Order) -> Endless:  # noqa: ARG002
        return Endless()


@dataclass(frozen=True)
class Asked:
    """What a server was asked to do."""

    transactions: float
    """A second."""
    processors: float
    """That the server's processes kept busy."""
    connections: int
    silent: float
    """Seconds since the worker that was heard longest ago said that it lives."""
    submission: float
    """Milliseconds that a submission took, at the median."""


def measure(count: int, busy: int, seconds: float) -> Asked:
    """So many workers, of which so many have a job; a job is submitted each fifth of a second
    where all are busy, which wakes everybody and which nobody can take."""
    with server(CONNECTIONS * count + 100) as found, tempfile.TemporaryDirectory() as home:
        url = found.url(found.make())
        store = _migrated(url)
        if busy:
            queue_many(store, busy)
        with _workers(count, url, Path(home)):
            _until_at_work(store, count, busy)
            time.sleep(5)
            result = _watch(found, store, seconds, submits=count == busy)
        store.close()
        return result


def _migrated(url: str) -> Database:
    store = database.connect(url)
    migrations.migrate(store)
    return store


@contextmanager
def _workers(count: int, url: str, home: Path) -> Iterator[None]:
    """Forked by a process of its own, which has no threads and no connections."""
    forker = os.fork()
    if forker == 0:
        pids = [pid for number in range(count) if (pid := _fork(number, url, home))]
        signal.signal(signal.SIGTERM, lambda *_: [os.kill(pid, signal.SIGKILL) for pid in pids])
        for pid in pids:
            os.waitpid(pid, 0)
        os._exit(0)
    try:
        yield
    finally:
        os.kill(forker, signal.SIGTERM)
        os.waitpid(forker, 0)


def _fork(number: int, url: str, home: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    Calibrator.look = lambda *_, **__: False  # type: ignore[method-assign,assignment]
    try:
        settings = Settings(home=home / str(number), database_url=url)
        settings.home.mkdir()
        opened = database.connect(url, busy_seconds=DATABASE_SECONDS)
        Supervisor(settings, opened, StandIn()).run()
    finally:
        os._exit(0)


def _until_at_work(store: Database, count: int, busy: int) -> None:
    deadline = time.monotonic() + 120
    while _value(store, "SELECT count(*) FROM workers") < count or (
        _value(store, "SELECT count(*) FROM jobs WHERE status = 'running'") < busy
    ):
        if time.monotonic() > deadline:
            sys.exit(f"{count} workers did not start within two minutes")
        time.sleep(0.5)


def _watch(found: Server, store: Database, seconds: float, *, submits: bool) -> Asked:
    committed = "SELECT sum(xact_commit) FROM pg_stat_database"
    before, used, began = _value(store, committed), found.cpu_seconds(), time.monotonic()
    submissions, oldest = [], 0.0
    while time.monotonic() < began + seconds:
        at = time.perf_counter()
        if submits:
            with store.write() as connection:
                jobs.submit(connection, SPEC)
            submissions.append(1000 * (time.perf_counter() - at))
        time.sleep(SUBMIT_SECONDS)
        ages = "SELECT extract(epoch FROM clock_timestamp()) - min(heartbeat_at) / 1e6 FROM workers"
        oldest = max(oldest, float(_value(store, ages)))
    elapsed = time.monotonic() - began
    time.sleep(1)  # the server's statistics come late
    return Asked(
        transactions=float(_value(store, committed) - before) / elapsed,
        processors=(found.cpu_seconds() - used) / elapsed,
        connections=int(_value(store, "SELECT count(*) FROM pg_stat_activity")),
        silent=oldest,
        submission=sorted(submissions)[len(submissions) // 2] if submissions else float("nan"),
    )


def _value(store: Database, query: str) -> float:
    with store.read() as connection:
        return connection.exec_driver_sql(query).scalar_one()  # type: ignore[no-any-return]
