"""Tells open requests that jobs or datasets have changed: one look at the database for all.

A waiting request or an open stream holds no thread and asks the database nothing by itself.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.api.pace import Pace
from app.store import datasets, jobs
from app.store.database import REFUSALS, Database

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""After a look that failed."""


Pulse = jobs.Pulse | datasets.Pulse | jobs.Changes

ALL_JOBS = "jobs"
"""Watched instead of an id: a change of any job counts."""


class Watch:
    """One reader's view of one job or dataset, or of all jobs. The first look counts as a change.

    `key` is the id of the API key that the reader came with, or None.
    """

    def __init__(self, watched_id: str, key: str | None = None) -> None:
        self.watched_id = watched_id
        self.key = key
        self.pulse: Pulse | None = None
        self.closed = False
        self.dismissed = False
        self._changed = asyncio.Event()

    def see(self, pulse: Pulse | None) -> None:
        """Wakes the reader if this is not what the last look saw."""
        if pulse != self.pulse:
            self.pulse = pulse
            self._changed.set()

    def close(self) -> None:
        """Wakes the reader for good: the service stops, or the reader is dismissed."""
        self.closed = True
        self._changed.set()

    def dismiss(self) -> None:
        """Wakes the reader for good: the key was revoked, or one is needed now."""
        self.dismissed = True
        self.close()

    async def changed(self, seconds: float) -> bool:
        """Whether it changed, or the watch was closed, within that many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        if not self.closed:
            self._changed.clear()
        return True


class Watcher:
    """Every watch of this process, and the task that looks on their behalf."""

    def __init__(self, database: Database, pace: Pace) -> None:
        self._database = database
        self._pace = pace
        self._watches: set[Watch] = set()
        self._wanted = asyncio.Event()
        self._closed = False
        self._welcome: frozenset[str | None] | None = None

    @contextmanager
    def watch(self, watched_id: str, key: str | None = None) -> Iterator[Watch]:
        """A watch that counts while the block runs."""
        watch = Watch(watched_id, key)
        if self._closed:
            watch.close()
        if self._welcome is not None and key not in self._welcome:
            watch.dismiss()
        self._watches.add(watch)
        self._wanted.set()
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    @property
    def open_watches(self) -> int:
        """How many requests watch now."""
        return len(self._watches)

    def close(self) -> None:
        """Wakes every reader, so that streams end and a shutdown is quick."""
        self._closed = True
        for watch in self._watches:
            watch.close()

    def dismiss_others(self, welcome: frozenset[str | None]) -> None:
        """Ends the watches, now and later, of readers whose key is not among these."""
        self._welcome = welcome
        for watch in self._watches:
            if watch.key not in welcome:
                watch.dismiss()

    async def run(self) -> None:
        """Looks until cancelled; sleeps while nobody watches."""
        while True:
            if not self._watches:
                self._wanted.clear()
                await self._wanted.wait()
            try:
                pulses = await asyncio.to_thread(
                    self._look, {watch.watched_id for watch in self._watches}
                )
            except Exception as error:  # whatever it is must not end the watch of every stream
                reason = str(error).partition("\n")[0]
                is_fault = not isinstance(error, REFUSALS)
                logger.warning("could not look at what is watched: %s", reason, exc_info=is_fault)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for watch in self._watches:
                if watch.watched_id in pulses:
                    watch.see(pulses[watch.watched_id])
            await self._pace.next_look()

    def _look(self, ids: set[str]) -> dict[str, Pulse]:
        with self._database.read() as connection:
            found: dict[str, Pulse] = {**jobs.pulses(connection, list(ids))}
            found |= datasets.pulses(connection, list(ids))
            if ALL_JOBS in ids:
                found[ALL_JOBS] = jobs.changes(connection)
            return found
