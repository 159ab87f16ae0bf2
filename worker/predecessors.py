"""Workers of this home that ended without a word: their jobs go on at once."""

from contextlib import ExitStack, suppress
from pathlib import Path

from app.store import recovery, workers
from app.store.database import Database
from app.store.workers import Drain
from worker import lock_file
from worker.lock_file import Place


def bury(database: Database, home: Path) -> Drain | None:
    """Takes back what dead workers of this home held, without waiting for their leases.

    Returns the drain of one of them: a machine that is to be taken out of service stays so when its
    worker is started again after a crash. One transaction writes all of them off: where it fails,
    all are found again, and no drain is lost.

    Raises:
        DatabaseBusy, StorageFull, OperationalError: nobody was written off.
    """
    drain: Drain | None = None
    here = Place.here()
    with ExitStack() as held:
        found = lock_file.found(home)
        dead = [file for file in found if held.enter_context(lock_file.taken(file))]
        if not dead:
            return None
        with database.write() as connection:
            for file in list(dead):
                # The lock of another machine's worker may be unseen: it has died if it is silent.
                is_of_here = file.place.boot == here.boot
                if not is_of_here and workers.any_alive(connection, [file.worker_id]):
                    dead.remove(file)
                    continue
                recovery.requeue_of(connection, file.worker_id)
                drain = workers.leave(connection, file.worker_id) or drain
        for file in dead:
            with suppress(OSError):
                file.path.unlink(missing_ok=True)
    return drain
