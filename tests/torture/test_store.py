"""The database file under many processes, stopped workers, and a damaged log."""

import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app.codes import FailureCode
from app.store import database, jobs, migrations, recovery, tables, workers
from app.store.errors import LeaseLost
from tests import databases, runs
from tests.forking import forking
from tests.store.test_leases import MODEL, SPEC


def in_processes(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """What each call gives, all at once, each in a process of its own."""
    with forking().Pool(len(arguments)) as pool:
        return pool.starmap(work, arguments, chunksize=1)


def add_many(where: str, times: int) -> int:
    """Reads a number and writes it back one larger, `times` times; the slowest, in ms."""
    store = database.connect(where)
    slowest = 0.0
    for _ in range(times):
        began = time.monotonic()
        with store.write() as connection:
            query = select(tables.workers.c.slots).with_for_update()  # which a server needs
            seen = connection.execute(query).scalar_one()
            connection.execute(update(tables.workers).values(slots=seen + 1))
        slowest = max(slowest, time.monotonic() - began)
    store.close()
    return round(slowest * 1000)


def test_no_update_is_lost_and_none_is_locked_out(
    tmp_path: Path, repeated: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    store = database.connect(databases.address(tmp_path))
    migrations.migrate(store)
    with store.write() as connection:
        runs.register(connection, slots=0)
    times = repeated(1000)
    slowest = in_processes(add_many, [(databases.address(tmp_path), times)] * 8)
    with store.read() as connection:
        assert connection.execute(select(tables.workers.c.slots)).scalar_one() == 8 * times
    store.close()
    with capsys.disabled():
        print(f"\n8 processes x {times} read-modify-writes, none lost, slowest {max(slowest)} ms")


def open_cold(where: str, moment: float) -> str:
    """Opens an empty database at that moment, with others."""
    time.sleep(max(0.0, moment - time.time()))
    store = database.connect(where)
    migrations.migrate(store)
    with store.write() as connection:
        jobs.submit(connection, SPEC)
    store.close()
    return "ok"


def test_four_processes_open_an_empty_database(
    tmp_path: Path, repeated: Callable[[int], int]
) -> None:
    with forking().Pool(4) as pool:
        for number in range(repeated(200)):
            home = tmp_path / str(number)
            home.mkdir()
            arguments = [(databases.address(home, empty=True), time.time() + 0.05)] * 4
            assert pool.starmap(open_cold, arguments, chunksize=1) == ["ok"] * 4
            assert databases.rows(home, "SELECT count(*) FROM jobs") == [(4,)]
            shutil.rmtree(home)


def work_off(where: str, worker: str) -> list[str]:
    """Claims jobs and ends them until none is left; the ids of those it ended."""
    store = database.connect(where)
    done = []
    while True:
        with store.write() as connection:
            lease = runs.claim(connection, worker)
        if lease is None:
            store.close()
            return done
        with store.write() as connection:
            runs.fail(connection, lease, code=FailureCode.INTERNAL, message="a test", advice="none")
        done.append(lease.job_id)


def test_eight_workers_claim_each_job_once(tmp_path: Path, repeated: Callable[[int], int]) -> None:
    store = database.connect(databases.address(tmp_path))
    migrations.migrate(store)
    submitted = []
    for _ in range(repeated(1000)):
        with store.write() as connection:
            submitted.append(jobs.submit(connection, SPEC).id)
    store.close()
    where = databases.address(tmp_path)
    done = in_processes(work_off, [(where, f"host/{number}") for number in range(8)])
    claimed = Counter(job_id for each in done for job_id in each)
    assert sorted(claimed) == sorted(submitted)
    assert set(claimed.values()) == {1}
    assert databases.rows(tmp_path, "SELECT DISTINCT attempt FROM jobs") == [(1,)]


def hold(where: str, told: Any, go_on: Any) -> None:
    """Claims a job, says so, sleeps, and then tries every write that a run makes."""
    store = database.connect(where)
    with store.write() as connection:
        lease = runs.claim(connection, f"host/{os.getpid()}")
    assert lease
    told.send(lease.job_id)
    go_on.recv()  # here it is stopped
    accepted = []
    writes: dict[str, Callable[[Any], Any]] = {
        "record": lambda c: runs.record(c, lease, progress={"samples_per_second": 1.0}),
        "checkpoint": lambda c: runs.record(c, lease, checkpoint=(10, b"late")),
        "requeue": lambda c: runs.requeue(c, lease),
        "succeed": lambda c: runs.succeed(c, lease, MODEL),
        "cancel": lambda c: runs.cancel(c, lease),
        "lose": lambda c: runs.lose(c, lease, "late"),
    }
    for name, write in writes.items():
        try:
            with store.write() as connection:
                write(connection)
            accepted.append(name)
        except LeaseLost:
            pass
    store.close()
    told.send(accepted)


def test_a_worker_that_wakes_after_its_lease_writes_nothing(
    tmp_path: Path, repeated: Callable[[int], int]
) -> None:
    store = database.connect(databases.address(tmp_path))
    migrations.migrate(store)
    processes = forking()
    for _ in range(repeated(50)):
        with store.write() as connection:
            jobs.submit(connection, SPEC)
        here, there = processes.Pipe()
        mine, its = processes.Pipe()
        process = processes.Process(target=hold, args=(databases.address(tmp_path), there, its))
        process.start()
        job_id = here.recv()
        os.kill(process.pid, signal.SIGSTOP)
        mine.send("go on")
        with store.write() as connection:  # instead of waiting half a minute for the lease
            connection.execute(
                update(tables.jobs).where(tables.jobs.c.id == job_id).values(lease_expires_at=1)
            )
            assert recovery.requeue_expired(connection) == 1
        with store.write() as connection:
            newer = runs.claim(connection, "host/other")
        assert newer
        assert newer.job_id == job_id
        with store.read() as connection:
            before = jobs.get(connection, job_id)
        os.kill(process.pid, signal.SIGCONT)
        assert here.recv() == []
        process.join()
        with store.read() as connection:
            assert jobs.get(connection, job_id) == before
        with store.write() as connection:
            runs.succeed(connection, newer, MODEL)
    store.close()


@pytest.mark.sqlite(reason="a server looks after its own log")
@pytest.mark.parametrize("damage", ["cut off", "corrupted"])
def test_a_damaged_log_leaves_an_exact_prefix_of_what_was_committed(
    tmp_path: Path,
    seed: int,
    repeated: Callable[[int], int],
    damage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(seed)
    written = tmp_path / "written"
    store = database.connect(databases.address(written))
    migrations.migrate(store)
    with store.write() as connection:
        connection.exec_driver_sql("CREATE TABLE counts (number INTEGER, filler BLOB)")
    store.close()
    store = database.connect(databases.address(written))
    keeper = sqlite3.connect(written / "traind.db")  # an open reader keeps the log
    keeper.execute("SELECT count(*) FROM jobs").fetchone()
    store_ids = []
    for number in range(60):
        with store.write() as connection:
            filler = chance.randbytes(chance.randrange(9000))
            connection.exec_driver_sql("INSERT INTO counts VALUES (?, ?)", (number, filler))
            store_ids.append(jobs.submit(connection, SPEC).id)
    log = written / "traind.db-wal"
    content = log.read_bytes()
    assert len(content) > 200_000
    lengths = Counter[int]()
    for trial in range(repeated(250)):
        copy = tmp_path / f"{trial}"
        copy.mkdir()
        shutil.copy(written / "traind.db", copy / "traind.db")
        at = chance.randrange(len(content))
        if damage == "cut off":
            changed = content[:at]
        else:
            width = chance.randrange(1, 64)
            noise = bytes(byte ^ chance.randrange(1, 256) for byte in content[at : at + width])
            changed = content[:at] + noise + content[at + width :]
        (copy / "traind.db-wal").write_bytes(changed)
        opened = database.connect(databases.address(copy))
        with opened.read() as connection:
            found = connection.exec_driver_sql("SELECT number FROM counts ORDER BY number")
            numbers = list(found.scalars())
            ids = list(connection.execute(select(tables.jobs.c.id).order_by(tables.jobs.c.id)))
            assert numbers == list(range(len(numbers))), (seed, trial)
            assert [row.id for row in ids] == store_ids[: len(numbers)], (seed, trial)
            check = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            assert check == ["ok"], (seed, trial)
        opened.close()
        lengths[len(numbers)] += 1
        shutil.rmtree(copy)
    keeper.close()
    store.close()
    assert len(lengths) > 5
    with capsys.disabled():
        print(f"\nlog {damage} at {sum(lengths.values())} offsets, seed {seed}: ", end="")
        print(f"{min(lengths)} to {max(lengths)} of 60 commits left, always the first ones")


@pytest.mark.sqlite(reason="leases go by the server's clock, which no test can set")
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_jumps_runs_no_job_twice_and_leaves_none_behind(
    tmp_path: Path, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = database.connect(databases.address(tmp_path))
    migrations.migrate(store)
    with store.write() as connection:
        job_id = jobs.submit(connection, SPEC).id
        lease = runs.claim(connection, "wrk_1")
        runs.register(connection)
        assert workers.any_alive(connection)
    assert lease
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + hours * 3600 * 10**9)
    with store.write() as connection:  # another worker's heartbeat comes first
        assert not workers.any_alive(connection)
        taken = recovery.requeue_expired(connection)
    assert taken == 1
    with store.write() as connection:
        newer = runs.claim(connection, "wrk_2")
    assert newer
    with pytest.raises(LeaseLost), store.write() as connection:
        runs.succeed(connection, lease, MODEL)
    with store.write() as connection:
        runs.succeed(connection, newer, MODEL)
        assert recovery.requeue_expired(connection) == 0
    with store.read() as connection:
        assert jobs.get(connection, job_id).status == "succeeded"
    store.close()
