"""Starts the processes that send deliveries, when a delivery is due; see worker/deliveries."""

import logging
import subprocess
import sys
import time

from app import lifeline
from app.settings import Settings
from app.store import outbox
from app.store.database import Database
from app.store.outbox import Work

log = logging.getLogger("traind.worker")

REST_SECONDS = 5.0
"""How long a kind of delivery rests after its process has failed."""
STOP_SECONDS = 3.0
"""How long a process may take to put back what it sends."""


class DeliveryProcesses:
    """The processes of one worker: at most one for each kind of delivery."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._stamp: int | None = None
        self._processes: dict[Work, lifeline.Process] = {}
        self._resting: dict[Work, float] = {}

    def start_due(self) -> None:
        """Sees to a process for each kind of which one is due. It looks only after a commit.

        Raises:
            OSError: a process cannot be started.
        """
        self._bury()
        stamp = self._database.stamp()
        if stamp == self._stamp:
            return
        with self._database.read() as connection:
            due = outbox.due(connection) & outbox.DELIVERIES
        waiting = due - self._processes.keys()
        resting = {work for work in waiting if time.monotonic() < self._resting.get(work, 0.0)}
        for work in waiting - resting:
            self._processes[work] = lifeline.Process(
                [sys.executable, "-P", "-m", "worker.deliveries", work],
                env=self._settings.environment(),
                stdin=subprocess.DEVNULL,
            )
        self._stamp = None if resting else stamp

    def stop(self) -> None:
        """Ends them."""
        lifeline.stop(self._processes.values(), STOP_SECONDS)

    def _bury(self) -> None:
        """Forgets the processes that have ended; the kind of one that has failed rests."""
        for work, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[work]
            if code:
                log.error("the process of %s deliveries ended with code %d", work, code)
                self._resting[work] = time.monotonic() + REST_SECONDS
                self._stamp = None  # what it has left is due again, though nobody commits
