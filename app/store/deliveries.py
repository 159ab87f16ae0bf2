"""Work of the outbox that calls another server: claimed, sent outside of any transaction, recorded.

A claim counts an attempt and puts the delivery off for `CLAIM`. If its process dies, the delivery
is due again then. Every later write names the attempt, so a process that was thought dead changes
nothing; what it has sent may be sent again, with the same id.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select, update

from app.store import events
from app.store.database import now
from app.store.events import NewEvent
from app.store.outbox import Work
from app.store.tables import outbox

SECOND = 1_000_000
CLAIM = 60 * SECOND
"""How long a delivery stays with a process that says nothing."""
RENEW_SECONDS = 20.0
"""How often a process renews its claims."""
FIRST_WAIT = 5 * SECOND
"""How long a delivery that failed waits for its second attempt; each further wait is longer."""
GROWTH = 3
"""Ratio of one wait to the wait before."""
MAX_ATTEMPTS = 11
"""How often a delivery is tried: with these waits, for 41 hours."""


@dataclass(frozen=True)
class Delivery:
    """A claimed delivery. `attempt` counts from 1."""

    id: str
    work: Work
    job_id: str
    data: dict[str, Any]
    attempt: int

    @property
    def destination(self) -> str:
        """The server that it goes to, by its name in the settings."""
        return str(self.data["destination"])


@dataclass(frozen=True)
class Delivered:
    """The server has taken it; `how` completes a sentence of the job's event."""

    how: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Undelivered:
    """The server has not taken it, and why.

    `is_final` says that no other attempt is made, `wait_seconds` that none is made before.
    """

    why: str
    is_final: bool = False
    wait_seconds: float = 0.0


Outcome = Delivered | Undelivered


def any_due(connection: Connection, work: Work, busy: Collection[str] = ()) -> bool:
    """Whether `claim` would find one: a look that takes no lock."""
    found = select(outbox.c.id).where(*_due(connection, work, busy)).limit(1)
    return connection.execute(found).first() is not None


def claim(connection: Connection, work: Work, busy: Collection[str] = ()) -> Delivery | None:
    """Takes the delivery that has waited longest, or None; leaves out destinations that are busy.

    One whose process died in its last attempt is given up instead.
    """
    while True:
        row = connection.execute(
            select(outbox)
            .where(*_due(connection, work, busy))
            .order_by(outbox.c.due_at, outbox.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if row is None:
            return None
        claimed = Delivery(row.id, work, row.job_id, row.data, row.attempts + 1)
        if claimed.attempt <= MAX_ATTEMPTS:
            values = {"attempts": claimed.attempt, "due_at": now(connection) + CLAIM}
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(values))
            return claimed
        connection.execute(delete(outbox).where(outbox.c.id == row.id))
        _tell(connection, claimed, f"its process died; given up after {MAX_ATTEMPTS} attempts")


def renew(connection: Connection, claimed: Iterable[Delivery]) -> None:
    """Keeps deliveries with the process that sends them."""
    until = now(connection) + CLAIM
    for delivery in claimed:
        connection.execute(update(outbox).where(*_held(delivery)).values(due_at=until))


def put_back(connection: Connection, claimed: Iterable[Delivery]) -> None:
    """Makes deliveries due at once for another process, because this one stops."""
    for delivery in claimed:
        values = {"due_at": now(connection)}
        connection.execute(update(outbox).where(*_held(delivery)).values(values))


def record(connection: Connection, delivery: Delivery, outcome: Outcome) -> bool:
    """Ends an attempt: the delivery is done, waits for its next attempt, or is given up.

    The job's events say which. False if the attempt has been taken over; then nothing is written.
    """
    if isinstance(outcome, Undelivered) and not _is_last(delivery, outcome):
        grown = FIRST_WAIT * GROWTH ** (delivery.attempt - 1)
        wait = max(grown, round(outcome.wait_seconds * SECOND))
        later = update(outbox).where(*_held(delivery)).values(due_at=now(connection) + wait)
        if connection.execute(later).rowcount != 1:
            return False
        again = f"attempt {delivery.attempt + 1} of {MAX_ATTEMPTS} in {wait / SECOND:.0f} s"
        _tell(connection, delivery, f"{outcome.why}; {again}", delivered=False)
        return True
    if connection.execute(delete(outbox).where(*_held(delivery))).rowcount != 1:
        return False
    if isinstance(outcome, Delivered):
        _tell(connection, delivery, outcome.how, delivered=True, **outcome.facts)
        return True
    _tell(connection, delivery, f"{outcome.why}; given up after {_attempts(delivery)}")
    return True


def _is_last(delivery: Delivery, outcome: Undelivered) -> bool:
    return outcome.is_final or delivery.attempt >= MAX_ATTEMPTS


def _attempts(delivery: Delivery) -> str:
    return f"{delivery.attempt} attempt{'s' if delivery.attempt > 1 else ''}"


def _due(
    connection: Connection, work: Work, busy: Collection[str]
) -> tuple[ColumnElement[bool], ...]:
    found = (outbox.c.work == work, outbox.c.due_at <= now(connection))
    if busy:
        return (*found, outbox.c.data["destination"].as_string().not_in(busy))
    return found


def _held(delivery: Delivery) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The fence: the delivery, while this attempt is its newest."""
    return outbox.c.id == delivery.id, outbox.c.attempts == delivery.attempt


def _tell(
    connection: Connection,
    delivery: Delivery,
    message: str,
    *,
    delivered: bool = False,
    **facts: Any,
) -> None:
    """Says it in the job's events."""
    known = {"delivered": delivered, "attempt": delivery.attempt, **facts}
    about = str(delivery.work)
    if delivery.work is Work.WEBHOOK:
        known |= {"destination": delivery.destination, "type": delivery.data["type"]}
        about = f"webhook: {delivery.data['type']} to {delivery.destination}"
    event = NewEvent(delivery.work, f"{about}: {message}", known)
    events.append(connection, delivery.job_id, [event])
