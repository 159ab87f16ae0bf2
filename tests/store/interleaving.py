"""Two transactions at once, in every order that their statements can have.

The second transaction begins after the n-th statement of the first one, for each n, on a connection
of its own. Where it waits for a lock, the first one goes on and commits.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Connection, event, text

from app.store.conflicts import retried
from app.store.database import Database

LOOK_SECONDS = 0.005
STATEMENTS = 60
"""No transaction of the tests has more."""

Transaction = Callable[[Connection], Any]


@dataclass
class Ended:
    """What came of two transactions: what each returned, or raised."""

    first: Any = None
    second: Any = None
    second_waited: bool = False


def interleavings(
    store: Database, prepare: Callable[[], tuple[Transaction, Transaction]]
) -> Iterator[Ended]:
    """What came of two transactions, made anew for each place where the second one begins."""
    for place in count(1):
        first, second = prepare()
        ended, was_begun = _run(store, first, second, place)
        if not was_begun:
            assert place > 2, "the first transaction has no statement to come between"
            return
        yield ended
        if store.path is not None:  # SQLite has one order: the second one waits from the beginning
            return
        assert place < STATEMENTS


def _run(
    store: Database, first: Transaction, second: Transaction, place: int
) -> tuple[Ended, bool]:
    ended = Ended()
    number = count(1)
    other = threading.Thread(target=lambda: setattr(ended, "second", _result(store, second)))
    begun = threading.Event()

    def between(*_: object) -> None:
        if next(number) == place and not begun.is_set():
            begun.set()
            other.start()
            while other.is_alive() and not _waits_for_a_lock(store):
                other.join(LOOK_SECONDS)
            ended.second_waited = other.is_alive()

    def interrupted(connection: Connection) -> Any:
        event.listen(connection, "after_cursor_execute", between)
        return first(connection)

    ended.first = _result(store, interrupted)
    if begun.is_set():
        other.join()
    return ended, begun.is_set()


def _waits_for_a_lock(store: Database) -> bool:
    """Whether the second transaction does; on SQLite it waits for the first one to end."""
    if store.path is not None:
        return True
    with store.read() as connection:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return connection.execute(waiting).scalar_one() > 0


def _result(store: Database, transaction: Transaction) -> Any:
    @retried
    def run() -> Any:
        with store.write() as connection:
            return transaction(connection)

    try:
        return run()
    except Exception as error:
        return error
