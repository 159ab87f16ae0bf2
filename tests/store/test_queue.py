"""Which job a worker takes next: priority and ageing, turns of keys, and what a job requires."""

from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, text, update

from app.codes import Status
from app.store import jobs, keys, lanes, queue, workers
from app.store.database import Database
from app.store.keys import Limits, Scope
from app.store.lanes import PRIORITY
from app.store.leases import Lease
from app.store.tables import jobs as jobs_table
from tests import runs
from tests.store.test_leases import SPEC, claim, job, submit


def key_of(store: Database) -> str:
    with store.write() as connection:
        return keys.create(connection, "k", frozenset({Scope.WRITE}), Limits())[0].id


def send(store: Database, key_id: str | None = None, **fields: Any) -> str:
    with store.write() as connection:
        return jobs.submit(connection, SPEC | fields, key_id=key_id).id


def register(store: Database, worker: str = "wrk_1", **offered: Any) -> None:
    with store.write() as connection:
        runs.register(connection, worker, **offered)


def taken(store: Database, worker: str = "wrk_1") -> str | None:
    lease = claim(store, worker)
    return lease and lease.job_id


def finish(store: Database, job_id: str) -> None:
    with store.write() as connection:
        runs.fail(connection, Lease(job_id, job(store, job_id).attempt))


def test_a_higher_priority_goes_first_and_equal_ones_by_age(store: Database) -> None:
    usual, urgent, late, idle = (send(store, priority=each) for each in (0, 10, 0, -10))
    assert [taken(store) for _ in range(5)] == [urgent, usual, late, idle, None]


def test_a_point_of_priority_is_a_minute_of_waiting(store: Database) -> None:
    old, new = send(store), send(store, priority=10)
    for minutes, first in ((9, new), (11, old)):
        with store.write() as connection:
            places = select(jobs_table.c.queue_at).where(jobs_table.c.id == new)
            at = connection.execute(places).scalar_one() + 10 * PRIORITY - minutes * PRIORITY
            aged = update(jobs_table).where(jobs_table.c.id == old).values(queue_at=at)
            connection.execute(aged)
            lease = runs.claim(connection)
            assert lease is not None
            assert lease.job_id == first
            runs.requeue(connection, lease)


def test_a_job_that_goes_back_to_the_queue_has_its_old_place(store: Database) -> None:
    first, second = submit(store), submit(store)
    assert taken(store) == first
    with store.write() as connection:
        runs.lose(connection, Lease(first, 1))
    assert [taken(store), taken(store)] == [first, second]


def test_one_slot_serves_keys_in_turn_however_many_jobs_one_of_them_has(store: Database) -> None:
    busy, other = key_of(store), key_of(store)
    many = [send(store, busy) for _ in range(20)]
    few = [send(store, other) for _ in range(3)]
    served = []
    for _ in range(6):
        served.append(taken(store))
        finish(store, served[-1] or "")
    assert [each for each in served if each in few] == few
    assert [each for each in served if each in many] == many[:3]


def test_several_slots_are_shared_equally(store: Database) -> None:
    busy, other = key_of(store), key_of(store)
    many = [send(store, busy) for _ in range(20)]
    assert [taken(store) for _ in range(3)] == many[:3]
    few = [send(store, other) for _ in range(4)]
    assert [taken(store) for _ in range(3)] == few[:3]  # it has fewer running
    assert {taken(store), taken(store)} == {many[3], few[3]}


def test_requests_without_a_key_count_as_one_key(store: Database) -> None:
    key = key_of(store)
    without = [send(store) for _ in range(5)]
    (mine,) = [send(store, key)]
    assert [taken(store) for _ in range(3)] == [without[0], mine, without[1]]


def test_priority_takes_no_turn_of_another_key(store: Database) -> None:
    pushing, other = key_of(store), key_of(store)
    urgent = [send(store, pushing, priority=100) for _ in range(3)]
    usual = send(store, other)
    assert {taken(store), taken(store)} == {urgent[0], usual}


NEEDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "label": ({"requires": {"zone": "b"}}, {"labels": {"zone": "b", "rack": "4"}}),
    "threads": ({"resources": SPEC["resources"] | {"threads": 8}}, {"threads": 8}),
    "memory": ({"resources": SPEC["resources"] | {"memory_mb": 9000}}, {"memory_mb": 9000}),
    "device": ({"resources": SPEC["resources"] | {"device": "cuda"}}, {"device": "cuda"}),
}


@pytest.mark.parametrize(("fields", "offered"), NEEDS.values(), ids=NEEDS)
def test_a_job_is_taken_by_a_worker_that_has_what_it_requires(
    store: Database, fields: dict[str, Any], offered: dict[str, Any]
) -> None:
    register(store, "wrk_plain", threads=4, memory_mb=4000)
    register(store, "wrk_other", labels={"zone": "c"}, threads=4, memory_mb=4000)
    register(store, "wrk_right", **offered)
    demanding = send(store, **fields)
    plain = send(store)
    with store.read() as connection:
        lane = {each.name for each in lanes.occupied(connection)}
        assert len(lane) == 2
    assert [taken(store, "wrk_plain"), taken(store, "wrk_other")] == [plain, None]
    with store.read() as connection:
        assert not queue.has_work_for(connection, "wrk_plain")
        assert queue.has_work_for(connection, "wrk_right")
    assert taken(store, "wrk_right") == demanding
    assert job(store, demanding).worker == "wrk_right"


def test_a_worker_that_is_drained_or_not_registered_takes_nothing(store: Database) -> None:
    register(store)
    waiting = submit(store)
    with store.write() as connection:
        workers.drain(connection, "wrk_1")
        assert not queue.has_work_for(connection, "wrk_1")
        assert queue.claim(connection, "wrk_1") is None
        assert queue.claim(connection, "wrk_unknown") is None
        workers.resume(connection, "wrk_1")
        assert queue.has_work_for(connection, "wrk_1")
    assert taken(store) == waiting


def fill(connection: Connection, count: int, status: Status, kind: str = "", **values: Any) -> None:
    """Rows of jobs, `count` of them, without all that belongs to a job."""
    common = {"name": "n", "labels": {}, "spec": {}, "status": status, "created_at": 1}
    common |= {"attempt": 0, "lost_attempts": 0, "cancel_requested": False, "last_event": 0}
    common |= {"metrics": {}} | values
    ids = [{"id": f"job_{status}{kind}_{number:07}"} for number in range(count)]
    connection.execute(insert(jobs_table).values(common), ids)


def test_a_claim_reads_neither_all_that_waits_nor_all_that_has_ended(store: Database) -> None:
    mine, other = key_of(store), key_of(store)
    register(store, labels={"zone": "b"})
    with store.write() as connection:
        fill(connection, 4000, Status.SUCCEEDED, key_id=mine, started_at=5, ended_at=6)
        fill(connection, 2000, Status.QUEUED, key_id=mine, queue_at=1, lane=f"{mine} {{}}")
    for zone in ("b", "c"):
        send(store, other, requires={"zone": zone})
    if store.path is None:  # a server does it by itself; nobody does it to a file
        with store.write() as connection:
            connection.execute(text("ANALYZE"))
    asked: list[tuple[str, Any]] = []
    with store.write() as connection:
        note = lambda _c, _cursor, statement, values, *_: asked.append((statement, values))  # noqa: E731
        event.listen(connection, "before_cursor_execute", note)
        assert queue.claim(connection, "wrk_1") is not None
        event.remove(connection, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN" if store.path else "EXPLAIN"
        plans = [
            " ".join(str(column) for row in rows for column in row)
            for statement, values in asked
            if " jobs" in statement and not statement.startswith("INSERT")
            for rows in [connection.exec_driver_sql(f"{explain} {statement}", values).all()]
        ]
    assert len(plans) > 4
    full = ("SCAN jobs", "SCAN waiting", "Seq Scan on jobs", "TEMP B-TREE FOR ORDER BY")
    assert [plan for plan in plans if any(each in plan for each in full)] == []


@pytest.mark.sqlite
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_look_and_a_claim_take_as_many_steps_however_many_wait(
    store: Database, analyzed: bool
) -> None:
    """Steps are instructions of SQLite's virtual machine, in hundreds."""
    register(store)

    def steps() -> int:
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        with store.write() as connection:
            driver: Any = connection.connection.driver_connection
            driver.set_progress_handler(count, 100)
            assert queue.has_work_for(connection, "wrk_1")
            assert queue.claim(connection, "wrk_1") is not None
            driver.set_progress_handler(None, 0)
        return counted

    with store.write() as connection:
        fill(connection, 50, Status.QUEUED, queue_at=1, lane=" {}")
        connection.execute(text("ANALYZE" if analyzed else "SELECT 1"))
    few = steps()
    with store.write() as connection:
        fill(connection, 3000, Status.QUEUED, "more", queue_at=2, lane=" {}")
        connection.execute(text("ANALYZE" if analyzed else "SELECT 1"))
    assert steps() <= few + 5


def test_lanes_are_found_one_by_one(store: Database) -> None:
    names = {key_of(store) for _ in range(3)}
    for key in names:
        for zone in ("a", "b", "a"):
            send(store, key, requires={"zone": zone})
    with store.read() as connection:
        found = lanes.occupied(connection)
    assert {(lane.key_id, lane.requirements.labels["zone"]) for lane in found} == {
        (key, zone) for key in names for zone in ("a", "b")
    }
    assert all(a.name != b.name for a, b in pairwise(found))
