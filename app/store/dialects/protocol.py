"""What the store asks of a database that SQLAlchemy does not make equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import URL, Connection, Engine, Table
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from app.store.errors import StoreError

if TYPE_CHECKING:  # a service on SQLite loads nothing of PostgreSQL
    from sqlalchemy.dialects.postgresql import Insert as PostgreSQLInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert


class News(Enum):
    """Who has to hear of a commit. A thousand workers that hear of each other's every word would
    do nothing else."""

    NONE = "nobody: a heartbeat, for which nobody waits"
    PROGRESS = "who watches jobs: the API, where telling it costs little (`tells_progress`)"
    WORK = "everyone: there may be something to do, or to stop"


class Bell(Protocol):
    """Something to wait for: readable from the first commit of another process on."""

    def fileno(self) -> int:
        """What select, poll and `multiprocessing.connection.wait` wait for."""

    def hush(self) -> None:
        """Forgets the rings so far."""

    @property
    def is_removed(self) -> bool:
        """Whether no ring arrives any more."""

    def close(self) -> None:
        """Gives it back."""


class Witness(Protocol):
    """Notices what other connections commit."""

    def stamp(self) -> int:
        """A number that changes when another connection may have committed something."""

    def bell(self, *, deaf_to_self: bool) -> Bell | None:
        """A bell that rings by itself, or None where committing processes have to ring."""

    @property
    def look_seconds(self) -> float:
        """The stamp changes at least so often, heard or not; 0 where each look at it is exact."""

    def spread_looks(self, workers: int) -> None:
        """Spreads the looks of this many workers over time: each of them hears of every commit."""

    def close(self) -> None:
        """Ends its connection."""


class Dialect(Protocol):
    """One kind of database."""

    reads: Mapping[str, Any]
    """Execution options of a transaction that sees one state."""
    writes: Mapping[str, Any]
    """Execution options of a transaction that writes."""
    tells_progress: bool
    """Whether a commit that is `News.PROGRESS` rings the bells, or whoever waits for it looks."""

    def engine(self, url: URL, *, create: bool, busy_seconds: float) -> Engine:
        """Connects when it is first used. `create` lets a missing file be made.

        Raises:
            DatabaseMissing, DatabaseUnavailable: see `database.connect`.
        """

    def shown(self, url: URL) -> str:
        """The address for people, without a password."""

    def reason(self, url: URL, error: DatabaseError) -> str:
        """Why the database cannot be opened, in a line."""

    def keep_others_out(self, engine: Engine) -> None:
        """Called before the first connection: nobody else uses the database while this one does.

        Raises:
            DatabaseInUse: another process uses it, as far as can be found out. A SQLite file says
                so at the first connection (`OperationalError`: locked).
        """

    def path(self, url: URL) -> Path | None:
        """The file that is the database, or None."""

    def is_empty(self, connection: Connection) -> bool:
        """Whether nothing was ever made in the database."""

    def begun(self, connection: Connection) -> AbstractContextManager[object]:
        """Begins a write; commits at the end of the block, or leaves no trace.

        Raises:
            DatabaseBusy: others held the lock for too long.
        """

    def committing(self, connection: Connection, sender: str, news: News) -> None:
        """Called last in a write. Whoever listens to such news hears who `sender` is, if it
        commits."""

    def meaning(self, error: SQLAlchemyError) -> StoreError | None:
        """The store's own error for one of the database; None where it has none."""

    def rebuilding(self, connection: Connection) -> AbstractContextManager[object]:
        """Around a write that may rebuild tables, with its beginning and its end.

        Raises:
            ReferencesBroken: a row refers to one that is missing; nothing was changed.
        """

    def has_write_ahead_log(self, engine: Engine) -> bool:
        """Whether readers and writers do not wait for each other."""

    def use_write_ahead_log(self, engine: Engine) -> None:
        """Sees to it; the database keeps it.

        Raises:
            DatabaseBusy: another process held the database.
        """

    def migrating(self, engine: Engine) -> AbstractContextManager[object]:
        """Holds the right to migrate: one process has it at a time."""

    def now(self, connection: Connection) -> int:
        """Microseconds since 1970, by the server's clock where there is a server."""

    def insert(self, table: Table) -> SQLiteInsert | PostgreSQLInsert:
        """An INSERT that knows ON CONFLICT."""

    def hold_all(self, connection: Connection, tables: Iterable[Table]) -> None:
        """Until the transaction ends, nobody else writes to these tables, however long it takes."""

    def storable(self, value: Any, replaced: Counter[str]) -> Any:
        """What is read again where this value of a column was stored.

        What cannot be stored is counted by its name in words, such as `NUL characters`.
        """

    def hold(self, connection: Connection, name: str) -> None:
        """Until the transaction ends, no other one holds this name: the others wait."""

    def witness(self, engine: Engine, own: str) -> Witness:
        """Notices commits; `own` is how this process signs its own (`committing`)."""
