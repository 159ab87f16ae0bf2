"""What a worker tidies up now and then: old jobs, and files that nobody names any more."""

import logging
import time

from app.settings import Settings
from app.store import retention
from app.store.database import Database
from app.store.retention import Policy
from worker import leftovers

log = logging.getLogger("traind.worker")

PRUNE_SECONDS = 60.0
"""How often it is looked for what is to be pruned."""
SWEEP_SECONDS = 600.0
"""How often it is looked for leftover files."""


class Housekeeping:
    """The times at which one worker tidies up."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._policy = Policy(settings.keep_jobs, settings.keep_checkpoints)
        self._next_prune = self._next_sweep = time.monotonic() + PRUNE_SECONDS

    def prune(self) -> None:
        """Drops what the policy does not keep, a little at a time."""
        if time.monotonic() < self._next_prune:
            return
        with self._database.write() as connection:
            pruned = retention.prune(connection, self._policy)
        self._next_prune = time.monotonic() + (1.0 if pruned else PRUNE_SECONDS)

    def sweep(self) -> None:
        """Removes the files of datasets that were deleted, and of uploads that were abandoned."""
        if time.monotonic() < self._next_sweep:
            return
        if removed := leftovers.sweep(self._settings, self._database):
            log.info("removed, because no dataset has them any more: %s", ", ".join(removed))
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
