"""Workers of this machine that are dead, and what they have left behind."""

import os
import socket

from app.store import recovery, workers
from app.store.database import Database


def bury(database: Database, own_name: str) -> None:
    """Takes back what dead workers of this machine held, without waiting for their leases."""
    host = socket.gethostname()
    with database.write() as connection:
        for name in workers.names(connection):
            where, _, pid = name.rpartition("/")
            if where == host and (name == own_name or not _exists(int(pid))):
                recovery.requeue_of(connection, name)
                workers.leave(connection, name)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
