"""Connections and transactions: `read()` sees one state, `write()` commits or leaves no trace.

What differs between SQLite and PostgreSQL is in `dialects`.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError

from app.store import dialects
from app.store.dialects import Bell, Dialect, News, Witness
from app.store.disk import DatabaseDamaged, DatabaseUnwritable
from app.store.errors import (
    DatabaseBusy,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseUnavailable,
    StorageFull,
)
from app.store.sqlite_library import pysqlite

__all__ = [
    "REFUSALS",
    "Connection",
    "Database",
    "News",
    "OperationalError",
    "connect",
    "now",
    "pysqlite",
]

BUSY_SECONDS = 30.0
"""How long a write waits for others by default, all its attempts together."""
REFUSALS = (DatabaseBusy, StorageFull, DatabaseUnwritable, OperationalError)
"""What a database says that cannot do it now: busy, full, read-only, or a server that is away."""


class Database:
    """An open database. Shared by threads; never carried across a fork.

    `on_commit` is called after each committed `write()` that is news; it must not raise. `mirrors`
    says that jobs which end through this connection are mirrored to MLflow (announcements.py).
    """

    def __init__(self, engine: Engine, *, mirrors: bool = False) -> None:
        self._engine = engine
        self._dialect: Dialect = dialects.of(engine)
        self._reader = engine.execution_options(**self._dialect.reads)
        self._writer = engine.execution_options(**self._dialect.writes, mirrors=mirrors)
        self._signature = secrets.token_hex(4)
        self._witness: Witness | None = None
        self.on_commit: Callable[[], object] = lambda: None

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None for a database server."""
        return self._dialect.path(self._engine.url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state. Fetch whole and leave; never await inside.

        Raises:
            DatabaseBusy: the server has no connection to spare.
            DatabaseUnwritable: SQLite's files cannot be read, or not be made.
            DatabaseDamaged: SQLite's file has damaged pages.
        """
        with self._told(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, news: News = News.WORK) -> Iterator[Connection]:
        """A transaction that is committed when the block ends; `news` says who has to hear of it.

        On SQLite it holds the write lock. On PostgreSQL others write at the same time: whoever
        decides by what a row says locks the row first (`with_for_update`, which SQLite needs not).

        Raises:
            DatabaseBusy: others held a lock for longer than the busy timeouts together.
            WriteConflict: a server undid it because of another write; `retried` does it again.
            StorageFull: the disk has no room for what was written; nothing of it is stored.
            DatabaseUnwritable: the file or its disk is read-only or damaged; nothing is stored.
        """
        with (
            self._told(),
            self._writer.connect() as connection,
            self._dialect.begun(connection),
        ):
            yield connection
            self._dialect.committing(connection, self._signature, news)
        if news is not News.NONE:
            self.on_commit()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raises the store's own errors in place of the database's."""
        try:
            yield
        except SQLAlchemyError as error:
            meaning = self._dialect.meaning(error)
            if meaning is None:
                raise
            raise meaning from error

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A write transaction that may rebuild tables: it checks foreign keys once, at its end.

        Raises:
            ReferencesBroken: a row refers to one that is missing; nothing was changed.
            DatabaseBusy, StorageFull: as `write`.
        """
        with (
            self._told(),
            self._writer.connect() as connection,
            self._dialect.rebuilding(connection),
        ):
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Holds the right to migrate: one process has it at a time."""
        with self._told(), self._dialect.migrating(self._engine):
            yield

    @property
    def has_write_ahead_log(self) -> bool:
        """Whether the file is in WAL mode; a restored backup is not. True for a server."""
        return self._dialect.has_write_ahead_log(self._reader)

    def use_write_ahead_log(self) -> None:
        """Puts the file in WAL mode, where readers and a writer do not wait for each other.

        The file keeps the mode. Called under the migration lock: connections that set it at the
        same time failed.

        Raises:
            DatabaseBusy: another process held the file for the whole busy timeout.
        """
        self._dialect.use_write_ahead_log(self._reader)

    def copy_to(self, file: Path) -> None:
        """Writes a copy of a SQLite database to a new file, where it is used `alone`."""
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("VACUUM INTO ?", (str(file),))
        finally:
            connection.close()

    def stamp(self) -> int:
        """A number that changes when another connection may have committed something.

        Microseconds, and on SQLite exact. One thread uses it.
        """
        return self._witnessing.stamp()

    def bell(self, *, deaf_to_self: bool) -> Bell | None:
        """A bell that rings by itself where a server tells of commits; see doorbell.py."""
        return None if self.path is not None else self._witnessing.bell(deaf_to_self=deaf_to_self)

    @property
    def look_seconds(self) -> float:
        """The stamp changes at least so often; 0 where each look at it is exact."""
        return self._witnessing.look_seconds

    @property
    def tells_progress(self) -> bool:
        """Whether the bell rings for the progress of runs, too."""
        return self._dialect.tells_progress

    def spread_looks(self, workers: int) -> None:
        """Spreads the looks of this many workers over time: each of them hears of every commit."""
        self._witnessing.spread_looks(workers)

    @property
    def _witnessing(self) -> Witness:
        if self._witness is None:
            self._witness = self._dialect.witness(self._engine, self._signature)
        return self._witness

    def close(self) -> None:
        """Closes every connection."""
        if self._witness is not None:
            self._witness.close()
        self._engine.dispose()


def connect(
    where: str | Path,
    *,
    create: bool = True,
    alone: bool = False,
    busy_seconds: float = BUSY_SECONDS,
    mirrors: bool = False,
) -> Database:
    """Opens a SQLite file, or the database at a SQLAlchemy address (`sqlite:////data/traind.db`).

    A path is not an address: in an address, `%`, `?` and `#` have a meaning. A write that others
    keep waiting for more than `busy_seconds` is refused. `Database` explains `mirrors`.
    With `alone`, no other process uses the database meanwhile (`Dialect.keep_others_out`), and one
    transaction is open at a time.

    Raises:
        DatabaseInUse: others use it, and `alone` is True.
        DatabaseMissing: there is none, and `create` is False; nothing is made.
        DatabaseUnavailable: it cannot be opened, or the folder cannot be written to.
        DatabaseDamaged: the file is no database of SQLite, or a damaged one.
    """
    url = parse(where)
    dialect = dialects.for_url(url)
    engine = dialect.engine(url, create=create, busy_seconds=busy_seconds)
    # A first connection, so that what is wrong is known now and not at some request.
    try:
        if alone:
            dialect.keep_others_out(engine)
        with engine.connect() as connection:
            is_empty = dialect.is_empty(connection)
    except DatabaseInUse:
        engine.dispose()
        raise
    except DatabaseError as error:
        engine.dispose()
        if alone and "locked" in str(error.orig):
            raise DatabaseInUse(dialect.shown(url)) from error
        meaning = dialect.meaning(error)
        if isinstance(meaning, DatabaseDamaged):
            raise DatabaseDamaged(meaning.reason, dialect.shown(url)) from error
        raise DatabaseUnavailable(dialect.shown(url), dialect.reason(url, error)) from error
    if is_empty and not create:
        engine.dispose()
        raise DatabaseMissing(dialect.shown(url))
    return Database(engine, mirrors=mirrors)


def parse(where: str | Path) -> URL:
    """The address of the database that is meant.

    Raises:
        DatabaseUnavailable: it is none.
    """
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    try:
        return make_url(where)
    except (ArgumentError, ValueError) as error:
        reason = "it is no address such as postgresql+psycopg://user@host/name"
        raise DatabaseUnavailable("of TRAIND_DATABASE_URL", reason) from error


def now(connection: Connection) -> int:
    """Microseconds since 1970, by the database server's clock where there is a server."""
    return dialects.of(connection).now(connection)
