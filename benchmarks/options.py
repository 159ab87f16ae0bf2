"""What each option costs: megabytes of its installation, start, memory, and the first step.

A service without options, then with its database on PostgreSQL, its uploads in a bucket (without an
upload: what is there for being ready), and its runs on a Ray of its own machine.

    python -m benchmarks.options
"""

import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from app.client import Client
from app.local import Service
from app.settings import Settings
from benchmarks.client import distributions, megabytes
from benchmarks.machine import described_when_idle
from benchmarks.start import resident, start, trained
from tests import postgresql, s3

DEFAULT = ("api", "worker", "cli")
"""Extras that `make demo` installs."""
STARTS, JOBS = 5, 10


def main() -> None:
    print(described_when_idle("psycopg", "obstore", "ray"))
    print("| option | MB installed | API ready, ms | API, MB | worker, MB | first step, ms |")
    print("|---|---|---|---|---|---|")
    for name, extra, chosen in (
        ("none", "", _nothing),
        ("PostgreSQL", "postgres", _postgresql),
        ("bucket", "s3", _bucket),
        ("Ray", "ray", _ray),
    ):
        with tempfile.TemporaryDirectory() as folder, chosen(Path(folder)) as settings:
            print(f"| {name} | {_added(extra):.0f} | {_measured(settings)} |", flush=True)


def _added(extra: str) -> float:
    """Megabytes that an extra installs beside those of `make demo`; these, where it is none."""
    default = set[str]().union(*(distributions("traind", each) for each in DEFAULT))
    found = distributions("traind", extra) - default if extra else default
    return sum(map(megabytes, found))


def _measured(settings: Settings) -> str:
    """The other columns: medians of starts and of warm jobs; memory after these jobs."""
    ready = statistics.median(start(settings) for _ in range(STARTS))
    service = Service(settings, settings.home / "log")
    try:
        service.start("app", "worker")
        with Client(service.url) as client:
            trained(client)
            steps = statistics.median(trained(client)[0] for _ in range(JOBS))
            api, worker = (
                resident(psutil.Process(service.processes[each].pid)) for each in ("app", "worker")
            )
    finally:
        service.stop()
    return f"{ready:.0f} | {api:.0f} | {worker:.0f} | {steps:.0f}"


@contextmanager
def _nothing(home: Path) -> Iterator[Settings]:
    yield Settings(home=home, port=0)


@contextmanager
def _postgresql(home: Path) -> Iterator[Settings]:
    with contextmanager(postgresql.started)() as server:
        yield Settings(home=home, port=0, database_url=server.url(server.make()))


@contextmanager
def _bucket(home: Path) -> Iterator[Settings]:
    with ExitStack() as stack:
        files = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(contextmanager(s3.started)(files))
        os.environ |= s3.variables(f"http://127.0.0.1:{server.port}")
        yield Settings(home=home, port=0, objects=f"s3://{s3.BUCKET}/benchmark")


@contextmanager
def _ray(home: Path) -> Iterator[Settings]:
    yield Settings(home=home, port=0, engine="ray")


if __name__ == "__main__":
    main()
