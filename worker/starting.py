"""Takes the job whose turn it is, and starts its run."""

import logging

from app.codes import FailureCode
from app.settings import Settings
from app.store import leases, outcomes, queue
from app.store.database import Database, News
from app.store.leases import Claim, Lease
from worker import memory
from worker.engines import CannotStart, Engine
from worker.held import Held
from worker.importer import Importer
from worker.messages import Order

log = logging.getLogger("traind.worker")


class Starter:
    """Starts runs for one worker."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        engine: Engine,
        importer: Importer,
        worker_id: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._engine = engine
        self._importer = importer
        self._worker_id = worker_id

    def start_next(self) -> Held | None:
        """Claims the next job that this worker can run, and starts it; None where there is none.

        A job whose run cannot be started fails, and the one behind it is taken.
        """
        while (claim := self._claim()) is not None:
            log.info("%s: attempt %d", claim.lease.job_id, claim.lease.attempt)
            try:
                run = self._engine.start(self._order(claim))
            except CannotStart as error:
                self._give_up(claim.lease, str(error))
            else:
                return Held(claim.lease, run, self._settings.no_progress_seconds)
        return None

    def _claim(self) -> Claim | None:
        with self._database.write(News.PROGRESS) as connection:  # for others it is no work any more
            return queue.claim(connection, self._worker_id)

    def _order(self, claim: Claim) -> Order:
        source = self._settings.datasets
        return Order(
            spec=claim.spec,
            datasets_home=str(self._settings.home / "datasets"),
            datasets_source=str(source) if source else None,
            backbones=str(self._settings.backbone_files),
            own_dataset=self._importer.order_of(claim.spec),
            checkpoint=claim.checkpoint,
            memory_mb=self._settings.run_memory_mb or memory.share(self._settings.slots),
        )

    def _give_up(self, lease: Lease, reason: str) -> None:
        log.error("%s could not be started: %s", lease.job_id, reason)
        advice = "See to the worker's machine (limits of processes and files, memory), then retry."
        message = f"The worker could not start the training process: {reason}."
        with self._database.write() as connection:
            failed = outcomes.Failed(FailureCode.NOT_STARTED, message, advice)
            leases.release(connection, lease, failed)
