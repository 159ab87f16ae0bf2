"""Connections and transactions: `read()` sees one state, `write()` commits or leaves no trace.

The SQLite settings were measured with eight processes: writers take the lock at BEGIN (deferred
ones lost updates or failed as "locked"), and every acknowledged commit is synced to disk.
"""

import random
import sqlite3
import time
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from app.store.errors import DatabaseBusy, StorageFull

__all__ = ["Connection", "Database", "OperationalError", "connect", "now", "pysqlite"]

try:  # pysqlite3 carries a SQLite without the WAL-reset corruption bug
    from pysqlite3 import dbapi2 as pysqlite
except ImportError:
    pysqlite = sqlite3

BUSY_TIMEOUT_MS = 10_000
JOURNAL_SIZE_LIMIT = 64 * 2**20
BEGIN_ATTEMPTS = 3
STAMP_SECONDS = 0.25


class Database:
    """An open database. Shared by threads; never carried across a fork."""

    def __init__(self, engine: Engine) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._witness: Any = None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._reader.dialect.name

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None for a database server."""
        name = self._reader.url.database
        return Path(name) if self.dialect == "sqlite" and name else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state. Fetch whole and leave; never await inside."""
        with self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock; committed when the block ends.

        Raises:
            DatabaseBusy: others held the lock for longer than the busy timeouts together.
            StorageFull: the disk has no room for what was written; nothing of it is stored.
        """
        with self._writer.connect() as connection:
            for attempt in range(1, BEGIN_ATTEMPTS + 1):
                try:
                    transaction = connection.begin()
                    break
                except OperationalError as error:
                    if "locked" not in str(error.orig):
                        raise
                    if attempt == BEGIN_ATTEMPTS:
                        raise DatabaseBusy from error
                    time.sleep(random.uniform(0.01, 0.05))
            try:
                with transaction:
                    yield connection
            except OperationalError as error:
                if _is_full(error):
                    raise StorageFull from error
                raise

    def use_write_ahead_log(self) -> None:
        """Lets readers go on beside a writer. Set once, under the migration lock, and kept."""
        connection = self._reader.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()

    def stamp(self) -> int:
        """A number that changes when another connection may have committed something.

        Microseconds on SQLite, exact; a server is not asked, and the number changes by the clock.
        One thread uses it.
        """
        if self._witness is None:
            if self.path is None:
                return int(time.monotonic() / STAMP_SECONDS)
            self._witness = pysqlite.connect(self.path, isolation_level=None, timeout=0.05)
        (version,) = self._witness.execute("PRAGMA data_version").fetchone()
        return int(version)

    def close(self) -> None:
        """Closes every connection."""
        if self._witness is not None:
            self._witness.close()
        self._reader.dispose()


def connect(url: str) -> Database:
    """Opens the database at a SQLAlchemy address, such as `sqlite:////data/traind.db`."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return Database(create_engine(parsed, pool_pre_ping=True))
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    _warn_of_affected_sqlite(pysqlite)
    engine = create_engine(parsed, module=pysqlite, pool_size=40, max_overflow=40)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return Database(engine)


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"journal_size_limit={JOURNAL_SIZE_LIMIT}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _is_full(error: OperationalError) -> bool:
    """Whether there is no room for the data, or for the index of the write-ahead log."""
    name = getattr(error.orig, "sqlite_errorname", "")
    return name in {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _warn_of_affected_sqlite(module: types.ModuleType) -> None:
    """SQLite 3.7.0 to 3.51.2 may corrupt a database whose WAL is reset by two connections."""
    version = module.sqlite_version_info
    backported = (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)
    fixed = version >= (3, 51, 3) or backported
    if not fixed:
        warnings.warn(
            f"SQLite {module.sqlite_version} has the WAL-reset bug; "
            "install pysqlite3 or SQLite 3.51.3 or newer",
            RuntimeWarning,
            stacklevel=3,
        )


def now(connection: Connection) -> int:
    """Microseconds since 1970, by the database server's clock where there is a server."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    microseconds = connection.exec_driver_sql(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    ).scalar_one()
    return int(microseconds)
