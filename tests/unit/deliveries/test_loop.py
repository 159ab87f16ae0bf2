"""The loop that sends deliveries: claims are kept while one is sent, and faults cost no other."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self

import pytest
from sqlalchemy import select

from app.store import deliveries, events, jobs, tables
from app.store.database import Connection, Database
from app.store.deliveries import Delivered, Delivery, Outcome
from app.store.errors import StorageFull
from app.store.outbox import Work
from tests.unit.scripted import SPEC
from tests.waiting import HANG_SECONDS
from worker.deliveries import loop
from worker.deliveries.loop import Loop

OK = Delivered("delivered, answered 204")


class ScriptedSender:
    """Sends as the test says."""

    at_once = 1

    def __init__(self, send: Callable[[Delivery], Awaitable[Outcome]]) -> None:
        self._send = send

    async def send(self, delivery: Delivery) -> Outcome:
        return await self._send(delivery)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(loop, "LINGER_SECONDS", 0.5)
    monkeypatch.setattr(loop, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(loop, "RENEW_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def cancelled(store: Database, *webhooks: str) -> str:
    """A job of which these destinations are to hear."""
    with store.write() as connection:
        job_id = jobs.submit(connection, SPEC | {"webhooks": list(webhooks)}).id
        jobs.request_cancel(connection, job_id)
    return job_id


def work_off(store: Database, send: Callable[[Delivery], Awaitable[Outcome]]) -> None:
    asyncio.run(Loop(store, Work.WEBHOOK, ScriptedSender(send)).run())


def due_at(store: Database) -> list[int]:
    with store.read() as connection:
        return list(connection.execute(select(tables.outbox.c.due_at)).scalars())


def told(store: Database, job_id: str) -> list[str]:
    with store.read() as connection:
        found = events.after(connection, job_id, 0, 100)
    return [each.message for each in found if each.kind == "webhook"]


def test_a_claim_is_kept_while_the_delivery_is_sent(store: Database) -> None:
    job_id = cancelled(store, "ci")

    async def send(_: Delivery) -> Outcome:
        claimed = due_at(store)
        async with asyncio.timeout(HANG_SECONDS):
            while due_at(store) == claimed:
                await asyncio.sleep(0.01)
        return OK

    work_off(store, send)
    assert told(store, job_id) == ["webhook: job.cancelled to ci: delivered, answered 204"]
    assert due_at(store) == []


def test_what_a_sender_raises_is_told_and_costs_no_other_delivery(store: Database) -> None:
    job_id = cancelled(store, "broken", "ci")

    async def send(delivery: Delivery) -> Outcome:
        if delivery.destination == "broken":
            raise ValueError("no such thing")
        return OK

    work_off(store, send)
    assert sorted(told(store, job_id)) == [
        "webhook: job.cancelled to broken: ValueError: no such thing; attempt 2 of 11 in 5 s",
        "webhook: job.cancelled to ci: delivered, answered 204",
    ]


def test_what_cannot_be_recorded_stays_claimed(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = cancelled(store, "full", "ci")
    record = deliveries.record

    def refuse(connection: Connection, delivery: Delivery, outcome: Outcome) -> bool:
        if delivery.destination == "full":
            raise StorageFull
        return record(connection, delivery, outcome)

    monkeypatch.setattr(deliveries, "record", refuse)

    async def send(_: Delivery) -> Outcome:
        return OK

    work_off(store, send)
    assert told(store, job_id) == ["webhook: job.cancelled to ci: delivered, answered 204"]
    assert len(due_at(store)) == 1


def test_no_transaction_is_open_while_one_is_sent(store: Database) -> None:
    cancelled(store, "ci")
    free = []

    async def send(_: Delivery) -> Outcome:
        with store.write() as connection:  # it would wait for a transaction of the loop's
            free.append(deliveries.any_due(connection, Work.WEBHOOK))
        return OK

    work_off(store, send)
    assert free == [False]
