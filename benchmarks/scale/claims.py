"""Workers that only hold jobs: claim, record, release, and a heartbeat every five seconds.

Threads of a few processes play them; those of a process share the connections of one `Database`,
45 at most, so that 1,000 workers fit into a server's 100 connections.
"""

import multiprocessing
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ulid import ULID

from app.store import database, leases, queue, workers
from app.store.conflicts import retried
from app.store.database import Database, News
from app.store.errors import DatabaseBusy
from app.store.events import NewEvent
from app.store.leases import HEARTBEAT_SECONDS, Lease
from app.store.metrics import Point
from app.store.outcomes import Succeeded
from app.store.reported import Reported
from tests import runs

PROCESSES = 2
START_SECONDS = 300
"""How long the processes wait for each other: if one has failed, the others end, too."""
REPORT = Reported(
    progress={"epoch": 1, "epochs": 1, "step": 100, "steps": 100},
    metrics={"train_loss": 0.5},
    events=[NewEvent("log", "[1,   100] loss: 0.500", {"loss": 0.5})],
    points=[Point("running_loss", 100, 1, 0.5)],
)


@dataclass
class Counted:
    """What the workers of one process did."""

    claims: list[float] = field(default_factory=list)
    """Seconds that each claim took, from asking for a connection to the commit."""
    heartbeats: list[float] = field(default_factory=list)
    busy: int = 0
    """Writes that were refused as busy."""


def measure(url: str, workers_count: int, seconds: float) -> Counted:
    """Has so many workers at work for so long; needs enough waiting jobs."""
    context = multiprocessing.get_context("spawn")
    processes = min(PROCESSES, workers_count)
    shares = [
        workers_count // processes + (n < workers_count % processes) for n in range(processes)
    ]
    start = context.Barrier(processes)
    with context.Pool(processes, _share, (start,)) as pool:
        jobs = [(url, share, seconds) for share in shares]
        found = pool.starmap(_play, jobs, chunksize=1)
    total = Counted()
    for each in found:
        total.claims += each.claims
        total.heartbeats += each.heartbeats
        total.busy += each.busy
    return total


_start: Any = None


def _share(start: Any) -> None:
    global _start  # noqa: PLW0603 (a barrier only reaches a process when it starts)
    _start = start


def _play(url: str, count: int, seconds: float) -> Counted:
    store = database.connect(url)
    counted = Counted()
    end = threading.Event()
    ids = [f"wrk_{ULID()}" for _ in range(count)]
    for worker_id in ids:
        _register(store, worker_id)
    threads = [threading.Thread(target=_work, args=(store, each, counted, end)) for each in ids]
    _start.wait(START_SECONDS)
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    end.set()
    for thread in threads:
        thread.join()
    with store.write(News.NONE) as connection:
        for worker_id in ids:
            workers.leave(connection, worker_id)
    store.close()
    return counted


@retried
def _register(store: Database, worker_id: str) -> None:
    with store.write(News.NONE) as connection:
        runs.register(connection, worker_id, name=worker_id)


@retried
def _heartbeat(store: Database, worker_id: str, held: list[Lease]) -> None:
    with store.write(News.NONE) as connection:
        workers.heartbeat(connection, worker_id)
        leases.heartbeat(connection, held)


@retried
def _claim(store: Database, worker_id: str) -> Lease:
    with store.write(News.PROGRESS) as connection:
        claim = queue.claim(connection, worker_id)
    assert claim is not None, "more jobs have to wait than are done in that time"
    return claim.lease


@retried
def _end(store: Database, lease: Lease) -> None:
    with store.write(News.PROGRESS) as connection:
        leases.record(connection, lease, REPORT)
    with store.write() as connection:
        leases.release(connection, lease, Succeeded(None))


def _work(store: Database, worker_id: str, counted: Counted, end: threading.Event) -> None:
    due = time.monotonic() + random.uniform(0, HEARTBEAT_SECONDS)
    while not end.is_set():
        try:
            began = time.perf_counter()
            lease = _claim(store, worker_id)
            taken = time.perf_counter() - began
            if time.monotonic() > due:
                due = time.monotonic() + HEARTBEAT_SECONDS
                began = time.perf_counter()
                _heartbeat(store, worker_id, [lease])
                counted.heartbeats.append(time.perf_counter() - began)
            _end(store, lease)
            counted.claims.append(taken)
        except DatabaseBusy:
            counted.busy += 1
