"""Does what follows from a job's end: works off the outbox, one task in one transaction."""

import logging

from app.store import autopilot, events, outbox
from app.store.database import REFUSALS, Connection, Database
from app.store.events import NewEvent
from app.store.outbox import Task, Work

log = logging.getLogger("traind.worker")

MAX_ATTEMPTS = 5
"""How often a task is tried before it is given up."""


def work_off(database: Database) -> bool:
    """Does the task that has waited longest; returns whether there was one.

    A task that fails is postponed, and given up after `MAX_ATTEMPTS`: the job says so.

    Raises:
        DatabaseBusy, StorageFull, OperationalError: nothing was done; the task waits.
    """
    task: Task | None = None
    try:
        with database.write() as connection:
            task = outbox.take(connection)
            if task is None:
                return False
            _do(connection, task)
            outbox.remove(connection, task)
    except REFUSALS:
        raise
    except Exception as error:
        if task is None:
            raise
        log.exception("what follows %s failed", task.job_id)
        with database.write() as connection:
            _failed(connection, task, error)
    return True


def _do(connection: Connection, task: Task) -> None:
    match task.work:
        case Work.AUTOPILOT:
            autopilot.follow(connection, task.job_id, cancelled=task.data["cancelled"])
        case _:
            raise AssertionError(f"{task.work} is a delivery")


def _failed(connection: Connection, task: Task, error: Exception) -> None:
    if task.attempts + 1 < MAX_ATTEMPTS:
        outbox.postpone(connection, task)
        return
    message = f"{task.work}: gave up after {MAX_ATTEMPTS} attempts: {type(error).__name__}: {error}"
    events.append(connection, task.job_id, [NewEvent(task.work, message)])
    outbox.remove(connection, task)
