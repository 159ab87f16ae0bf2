"""The two newest checkpoints are kept; a published model needs none."""

from sqlalchemy import select, update

from app.store import checkpoints, queue
from app.store.checkpoints import Checkpoint
from app.store.database import Database
from app.store.tables import checkpoints as table
from tests import runs
from tests.store.test_leases import MODEL, held, submit


def steps(store: Database) -> list[int]:
    with store.read() as connection:
        return [row.step for row in connection.execute(select(table.c.step).order_by(table.c.step))]


def test_the_two_newest_are_kept(store: Database) -> None:
    lease = held(store)
    for step in (10, 20, 30, 40, 50):
        with store.write() as connection:
            runs.record(connection, lease, checkpoint=(step, b"%d" % step))
    assert steps(store) == [40, 50]
    with store.read() as connection:
        assert checkpoints.newest(connection, lease.job_id) == Checkpoint(50, b"50")


def test_a_claim_brings_the_newest_checkpoint(store: Database) -> None:
    submit(store)
    with store.write() as connection:
        runs.register(connection)
        first = queue.claim(connection, "wrk_1")
        assert first is not None
        assert first.checkpoint is None
        runs.record(connection, first.lease, checkpoint=(7, b"seven"))
        runs.requeue(connection, first.lease)
        second = queue.claim(connection, "wrk_1")
    assert second is not None
    assert second.checkpoint == b"seven"


def test_a_published_model_leaves_no_checkpoint(store: Database) -> None:
    lease = held(store)
    with store.write() as connection:
        runs.record(connection, lease, checkpoint=(7, b"seven"))
        runs.succeed(connection, lease, MODEL)
    assert steps(store) == []


def test_a_damaged_checkpoint_is_passed_over(store: Database) -> None:
    lease = held(store)
    for step in (10, 20):
        with store.write() as connection:
            runs.record(connection, lease, checkpoint=(step, b"%d" % step))
    for step, left in ((20, Checkpoint(10, b"10")), (10, None)):
        with store.write() as connection:
            damaged = update(table).where(table.c.step == step).values(content=b"damaged")
            connection.execute(damaged)
        with store.read() as connection:
            assert checkpoints.newest(connection, lease.job_id) == left
