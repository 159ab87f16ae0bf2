"""Whether this machine's clock agrees with what others have written by theirs."""

import time

from sqlalchemy import Connection, func, select

from app.codes import Status
from app.store.database import now
from app.store.leases import CLOCK_TOLERANCE, LEASE, SECOND
from app.store.tables import jobs, workers

TOLERANCE_SECONDS = CLOCK_TOLERANCE / SECOND
"""How far clocks may differ without one worker taking away another's lease."""


def seconds_behind(connection: Connection) -> float:
    """How far this clock is behind the latest one that a worker has written by; 0 if it is not.

    A heartbeat is never later than now, and a lease ends within its length from now.
    """
    at = now(connection)
    heard = connection.execute(select(func.max(workers.c.heartbeat_at))).scalar_one()
    held = select(func.max(jobs.c.lease_expires_at)).where(jobs.c.status == Status.RUNNING)
    until = connection.execute(held).scalar_one()
    latest = max(heard or 0, (until or 0) - LEASE)
    return max(0.0, (latest - at) / SECOND)


def seconds_from_server(connection: Connection) -> float:
    """How far this clock is from that of the database's server; 0 where a file is the database."""
    before = time.time()
    server = now(connection) / SECOND
    return max(0.0, before - server, server - time.time())
