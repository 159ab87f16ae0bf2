"""Workers of this machine that died without a word."""

import os

from app.store import recovery, workers
from app.store.database import Database


def bury(database: Database, name: str) -> None:
    """Takes back what dead workers of this machine held, without waiting for their leases.

    `name` is the caller's own: `host/process id`. A dead worker may have had the same.
    """
    host = name.rpartition("/")[0]
    with database.write() as connection:
        for other in workers.names(connection):
            where, _, pid = other.rpartition("/")
            if where == host and (other == name or not _exists(int(pid))):
                recovery.requeue_of(connection, other)
                workers.leave(connection, other)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
