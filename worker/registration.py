"""Who this worker is: its id, its lock file, and what it offers to jobs."""

import logging
import socket
from importlib.metadata import version

from ulid import ULID

from app import worker_labels
from app.settings import Settings
from app.store import workers
from app.store.database import Connection, Database
from app.store.workers import Drain, Offer
from worker import lock_file, memory, predecessors, processors
from worker.capacity import CPU, Capacity
from worker.lock_file import LockFile

log = logging.getLogger("traind.worker")


class Registration:
    """One worker, from its start to its end. A worker that is started again is another one."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.id = f"wrk_{ULID()}"
        self.name = settings.worker_name or socket.gethostname()
        self.capacity: Capacity = CPU
        self.has_entered = False
        """Whether it may be registered: before, a predecessor's drain is not known."""
        self._settings = settings
        self._database = database
        self._lock: LockFile | None = None
        self._drain: Drain | None = None

    def enter(self) -> None:
        """Holds the lock file, and takes the place of workers of this home that have died.

        Where it has failed it is called again, and goes on; once it has succeeded it does nothing.

        Raises:
            StorageFull, FolderUnwritable: the lock file cannot be written.
            DatabaseBusy, StorageFull, OperationalError: the dead cannot be written off.
        """
        if self.has_entered:
            return
        if self._lock is None:
            self._lock = LockFile(self._settings.home, self.id)
            lock_file.remove_unfinished(self._settings.home)
        self._drain = predecessors.bury(self._database, self._settings.home)
        self.has_entered = True

    def beat(self, connection: Connection) -> bool:
        """Says that the worker lives; the first time, and where it was forgotten, who it is.

        Returns whether it was not known.
        """
        if workers.heartbeat(connection, self.id):
            self._drain = None  # it is in the database, and may have changed there
            return False
        self.name = workers.register(connection, self.id, self._offer(), self._drain)
        log.info("worker %s is %s", self.id, self.name)
        return True

    def leave(self) -> None:
        """Says that the worker has ended, as planned."""
        with self._database.write() as connection:
            workers.leave(connection, self.id)
        if self._lock is not None:
            self._lock.close()

    def _offer(self) -> Offer:
        settings, runs = self._settings, self.capacity
        return Offer(
            name=settings.worker_name or socket.gethostname()[:63],
            host=socket.gethostname(),
            version=version("traind"),
            labels=worker_labels.parsed(settings.worker_labels),
            slots=settings.slots,
            engine=settings.engine,
            threads=settings.worker_threads or runs.threads or processors.threads(),
            memory_mb=settings.run_memory_mb or runs.memory_mb or memory.share(settings.slots),
            device=runs.device,
            device_name=runs.device_name,
        )
