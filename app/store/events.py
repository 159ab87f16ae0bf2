"""What happened to a job, numbered 1, 2, 3, ... within the job."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from app.store.database import now
from app.store.tables import events, jobs

NEWEST = 1000
"""How many of the newest lines a log always keeps; older ones may be thinned out."""
MOST_OLDER = 2000
"""How many older lines a log may have before every other one is dropped."""


@dataclass(frozen=True)
class NewEvent:
    """Something to be recorded.

    Kinds: `state`, `started`, `resumed`, `log`, `epoch`, `warning`, `finding`, `autopilot`,
    `pruned`.
    """

    kind: str
    message: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that happened, as it was recorded."""

    id: int
    at: int
    kind: str
    message: str
    data: dict[str, Any]


def append(connection: Connection, job_id: str, happened: list[NewEvent]) -> None:
    """Records events of one job. The counter on the job's row keeps their order gapless."""
    if not happened:
        return
    last = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(last_event=jobs.c.last_event + len(happened))
        .returning(jobs.c.last_event)
    ).scalar_one()
    if last // NEWEST > (last - len(happened)) // NEWEST:
        _thin_out(connection, job_id)
    at = now(connection)
    first = last - len(happened) + 1
    connection.execute(
        insert(events),
        [
            {"job_id": job_id, "id": number, "at": at, **vars(event)}
            for number, event in enumerate(happened, first)
        ],
    )


def _thin_out(connection: Connection, job_id: str) -> None:
    """Drops every other one of the older lines of a long log; the curves keep the numbers."""
    chatter = (events.c.job_id == job_id, events.c.kind.in_(("log", "epoch")))
    numbers = select(events.c.id).where(*chatter).order_by(events.c.id)
    older = connection.execute(numbers).scalars().all()[:-NEWEST]
    dropped = older[1::2] if len(older) > MOST_OLDER else []
    for start in range(0, len(dropped), 1000):
        some = events.c.id.in_(dropped[start : start + 1000])
        connection.execute(delete(events).where(events.c.job_id == job_id, some))


def after(connection: Connection, job_id: str, event_id: int, limit: int) -> list[Event]:
    """The job's events with numbers above `event_id`, oldest first, at most `limit`."""
    rows = connection.execute(
        select(events.c.id, events.c.at, events.c.kind, events.c.message, events.c.data)
        .where(events.c.job_id == job_id, events.c.id > event_id)
        .order_by(events.c.id)
        .limit(limit)
    )
    return [Event(**row._mapping) for row in rows]
