"""Claims deliveries, has them sent at the same time, and records what came of each.

No transaction is open while one is sent.
"""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from app.store import deliveries
from app.store.database import REFUSALS, Database
from app.store.deliveries import RENEW_SECONDS, Delivery, Outcome, Undelivered
from app.store.outbox import Work

log = logging.getLogger("traind.worker")

LOOK_SECONDS = 0.25
"""How often it is looked for deliveries that have become due."""
LINGER_SECONDS = 10.0
"""How long the process waits for another delivery before it ends."""


class Sender(Protocol):
    """Sends deliveries of one kind."""

    at_once: int
    """How many are sent to one destination at the same time: a slow one holds up no other."""

    async def send(self, delivery: Delivery) -> Outcome:
        """Makes one attempt. What it raises counts as not delivered."""

    async def __aenter__(self) -> Self:
        """Opens what all attempts share."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes it."""


class Loop:
    """One process's deliveries."""

    def __init__(self, database: Database, work: Work, sender: Sender) -> None:
        self._database = database
        self._work = work
        self._sender = sender
        self._sending: dict[asyncio.Task[Outcome], Delivery] = {}
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Works until nothing has been due for `LINGER_SECONDS`, or until SIGTERM or SIGINT.

        What is under way then is put back for another process, which may send it again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        busy_at = renewed_at = loop.time()
        while not self._stopped.is_set() and loop.time() < busy_at + LINGER_SECONDS:
            await self._attempt(self._claim)
            if self._sending:
                busy_at = loop.time()
            if busy_at > renewed_at + RENEW_SECONDS:
                await self._attempt(self._renew)
                renewed_at = busy_at
            await self._wait()
            for task in [task for task in self._sending if task.done()]:
                self._record(self._sending.pop(task), task)
        await self._attempt(self._put_back)

    async def _wait(self) -> None:
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait(
            {stopped, *self._sending},
            timeout=LOOK_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopped.cancel()

    def _claim(self) -> None:
        """Takes every delivery that is due to a destination with room, and begins to send it."""
        while True:
            under_way = Counter(each.destination for each in self._sending.values())
            busy = [name for name, count in under_way.items() if count >= self._sender.at_once]
            with self._database.read() as connection:
                if not deliveries.any_due(connection, self._work, busy):
                    return
            with self._database.write() as connection:
                claimed = deliveries.claim(connection, self._work, busy)
            if claimed is None:
                return
            self._sending[asyncio.create_task(self._sender.send(claimed))] = claimed

    def _record(self, delivery: Delivery, task: asyncio.Task[Outcome]) -> None:
        """Writes down what came of an attempt. If that is refused, the claim runs out."""
        try:
            outcome = task.result()
        except Exception as error:
            log.exception("the %s of %s failed", self._work, delivery.job_id)
            outcome = Undelivered(f"{type(error).__name__}: {error}"[:300])
        if isinstance(outcome, Undelivered):
            log.warning("%s of %s: %s", self._work, delivery.job_id, outcome.why)
        try:
            with self._database.write() as connection:
                deliveries.record(connection, delivery, outcome)
        except REFUSALS as error:
            log.warning("the %s of %s was not recorded: %s", self._work, delivery.job_id, error)

    def _renew(self) -> None:
        with self._database.write() as connection:
            deliveries.renew(connection, self._sending.values())

    def _put_back(self) -> None:
        if self._sending:
            with self._database.write() as connection:
                deliveries.put_back(connection, self._sending.values())

    async def _attempt(self, step: Callable[[], None]) -> None:
        """Does a step on the database; what the database refuses is tried again later."""
        try:
            step()
        except REFUSALS as error:
            log.warning("%s deliveries: %s It is tried again.", self._work, error)
            await asyncio.sleep(1.0)
