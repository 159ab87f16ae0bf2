"""Workers: names, what they hold, drains, and what is said of a job that waits."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, update

from app.codes import WaitReason, WorkerStatus
from app.store import imports, jobs, queue, recovery, waiting, workers
from app.store.database import Database, now
from app.store.tables import workers as workers_table
from app.store.workers import ALIVE, FORGET_WORKERS, Drain, WorkerNotFound
from tests import runs
from tests.store.interleaving import Transaction, interleavings
from tests.store.test_imports import queued
from tests.store.test_leases import SPEC, submit


def silence(connection: Connection, worker: str, microseconds: int) -> None:
    at = now(connection) - microseconds
    silent = update(workers_table).where(workers_table.c.id == worker).values(heartbeat_at=at)
    connection.execute(silent)


def test_no_two_living_workers_have_one_name(store: Database) -> None:
    with store.write() as connection:
        names = [runs.register(connection, f"wrk_{number}", name="gpu1") for number in range(3)]
        assert names == ["gpu1", "gpu1-2", "gpu1-3"]
        silence(connection, "wrk_0", ALIVE + 1)
        assert runs.register(connection, "wrk_4", name="gpu1") == "gpu1"
        assert workers.get(connection, "gpu1").id == "wrk_4"
        assert workers.get(connection, "wrk_0").status is WorkerStatus.LOST


def test_two_workers_that_start_at_once_have_two_names(store: Database) -> None:
    numbers = iter(range(1000))

    def prepare() -> tuple[Transaction, Transaction]:
        with store.write() as connection:
            for worker in workers.listed(connection):
                workers.leave(connection, worker.id)
        one, two = (f"wrk_{next(numbers)}" for _ in range(2))
        return partial(runs.register, worker=one), partial(runs.register, worker=two)

    for ended in interleavings(store, prepare):
        assert {ended.first, ended.second} == {"host", "host-2"}, ended


def test_a_silent_worker_is_lost_and_then_forgotten(store: Database) -> None:
    with store.write() as connection:
        for worker in ("wrk_1", "wrk_2"):
            runs.register(connection, worker)
        silence(connection, "wrk_1", FORGET_WORKERS - ALIVE)
        assert workers.heartbeat(connection, "wrk_2")
        assert [each.status for each in workers.listed(connection)] == ["lost", "ready"]
        silence(connection, "wrk_1", FORGET_WORKERS + 1)
        assert workers.heartbeat(connection, "wrk_2")
        assert not workers.heartbeat(connection, "wrk_1")
        with pytest.raises(WorkerNotFound, match="GET /workers"):
            workers.get(connection, "wrk_1")


def test_a_drain_ends_when_the_worker_holds_nothing(store: Database) -> None:
    submit(store)
    with store.write() as connection:
        runs.register(connection)
        lease = runs.claim(connection)
        assert lease is not None
        drained = workers.drain(connection, "host", "a new disk")
        assert (drained.status, drained.jobs) == (WorkerStatus.DRAINING, (lease.job_id,))
        assert not workers.gives_back(connection, "wrk_1")
        first = drained.drain
        runs.requeue(connection, lease)
        again = workers.drain(connection, "wrk_1", "", gives_back=True)
        assert first is not None
        assert again.drain == Drain(first.drained_at, "", gives_back=True)
        assert workers.drain(connection, "wrk_1").drain == again.drain
        assert again.status is WorkerStatus.DRAINED
        assert workers.gives_back(connection, "wrk_1")
        assert workers.resume(connection, "wrk_1").status is WorkerStatus.READY
        assert not workers.gives_back(connection, "wrk_1")


def test_a_drained_worker_imports_nothing(store: Database) -> None:
    with store.write() as connection:
        runs.register(connection)
        dataset = queued(connection).id
        workers.drain(connection, "wrk_1")
        assert imports.claim(connection, "wrk_1") is None
        workers.resume(connection, "wrk_1")
        assert imports.claim(connection, "wrk_1") is not None
        assert workers.drain(connection, "wrk_1").datasets == (dataset,)


@pytest.mark.parametrize("turned", [False, True])
def test_after_the_answer_of_a_drain_nothing_is_claimed(store: Database, turned: bool) -> None:
    def prepare() -> tuple[Transaction, Transaction]:
        submit(store)
        with store.write() as connection:
            recovery.requeue_of(connection, "wrk_1")
            workers.leave(connection, "wrk_1")
            runs.register(connection)
        claim, drain = partial(queue.claim, worker_id="wrk_1"), partial(workers.drain, ref="wrk_1")
        return (drain, claim) if turned else (claim, drain)

    for ended in interleavings(store, prepare):
        claimed, drained = (ended.second, ended.first) if turned else (ended.first, ended.second)
        expected = () if claimed is None else (claimed.lease.job_id,)
        assert drained.jobs == expected, ended


def reason(connection: Connection, job_id: str) -> waiting.Waiting:
    found = waiting.of(connection, jobs.get(connection, job_id))
    assert found is not None
    return found


def test_a_waiting_job_says_why(store: Database) -> None:
    resources: dict[str, Any] = SPEC["resources"] | {"device": "cuda"}
    with store.write() as connection:
        first = jobs.submit(connection, SPEC).id
        picky = jobs.submit(
            connection, SPEC | {"requires": {"zone": "b"}, "resources": resources}
        ).id
        assert reason(connection, first).reason is WaitReason.NO_WORKER
        runs.register(connection, "wrk_1", name="a")
        assert reason(connection, first).reason is WaitReason.STARTING
        said = reason(connection, picky)
        assert (said.reason, said.ahead) == (WaitReason.UNSATISFIABLE, 1)
        assert said.message.startswith("No living worker has zone=b or a GPU;")
        assert said.message.endswith("1 waiting job of the same key goes first.")
        runs.register(connection, "wrk_2", name="b", labels={"zone": "b"})
        assert "has a GPU;" in reason(connection, picky).message
        runs.register(connection, "wrk_3", name="c", device="cuda")
        assert "has all of zone=b, a GPU;" in reason(connection, picky).message
        runs.register(connection, "wrk_4", name="d", device="cuda", labels={"zone": "b"})
        workers.drain(connection, "d")
        said = reason(connection, picky)
        assert (said.reason, "drained: d." in said.message) == (WaitReason.DRAINING, True)
        workers.resume(connection, "d")
        assert runs.claim(connection, "wrk_4") is not None
        assert waiting.of(connection, jobs.get(connection, first)) is None
        assert reason(connection, picky).reason is WaitReason.BUSY
