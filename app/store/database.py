"""Connections and transactions: `read()` sees one state, `write()` commits or leaves no trace.

The SQLite settings were measured with eight processes: writers take the lock at BEGIN (deferred
ones lost updates or failed as "locked"), and every acknowledged commit is synced to disk.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from app.store.errors import (
    DatabaseBusy,
    DatabaseMissing,
    DatabaseUnavailable,
    ReferencesBroken,
    StorageFull,
)
from app.store.sqlite_library import pysqlite, warn_of_affected

__all__ = ["Connection", "Database", "OperationalError", "connect", "now", "pysqlite"]

BUSY_SECONDS = 30.0
"""How long a write waits for others by default, all its attempts together."""
JOURNAL_SIZE_LIMIT = 64 * 2**20
BEGIN_ATTEMPTS = 3
STAMP_SECONDS = 0.25


class Database:
    """An open database. Shared by threads; never carried across a fork.

    `on_commit` is called after each committed `write()`; it must not raise. `mirrors` says that
    jobs which end through this connection are mirrored to MLflow (announcements.py).
    """

    def __init__(self, engine: Engine, *, mirrors: bool = False) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True, mirrors=mirrors)
        self._witness: Any = None
        self.on_commit: Callable[[], object] = lambda: None

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
        with self._writer.connect() as connection, self._begun(connection):
            yield connection
        self.on_commit()

    @contextmanager
    def _begun(self, connection: Connection) -> Iterator[None]:
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
                yield
        except OperationalError as error:
            if _is_full(error):
                raise StorageFull from error
            raise

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A write transaction that may rebuild tables: it checks foreign keys once, at its end.

        SQLite changes a table by copying it and dropping the old one. With foreign keys enforced,
        the drop would delete every row that refers to it: https://sqlite.org/lang_altertable.html.

        Raises:
            ReferencesBroken: a row refers to one that is missing; nothing was changed.
            DatabaseBusy, StorageFull: as `write`.
        """
        if self.path is None:
            with self.write() as connection:
                yield connection
            return
        with (
            self._writer.connect() as connection,
            _unenforced(connection),
            self._begun(connection),
        ):
            yield connection
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise ReferencesBroken(sorted({row[0] for row in broken}), len(broken))

    @property
    def has_write_ahead_log(self) -> bool:
        """Whether the file is in WAL mode; a restored backup is not. True for a server."""
        if self.path is None:
            return True
        with self.read() as connection:
            mode: str = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        return mode == "wal"

    def use_write_ahead_log(self) -> None:
        """Puts the file in WAL mode, where readers and a writer do not wait for each other.

        The file keeps the mode. Called under the migration lock: connections that set it at the
        same time failed.

        Raises:
            DatabaseBusy: another process held the file for the whole busy timeout.
        """
        connection = self._reader.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        except pysqlite.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise DatabaseBusy from error
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


def connect(
    where: str | Path,
    *,
    create: bool = True,
    busy_seconds: float = BUSY_SECONDS,
    mirrors: bool = False,
) -> Database:
    """Opens a SQLite file, or the database at a SQLAlchemy address (`sqlite:////data/traind.db`).

    A path is not an address: in an address, `%`, `?` and `#` have a meaning. A write that others
    keep waiting for more than `busy_seconds` is refused. `mirrors` is explained at `Database`.

    Raises:
        DatabaseMissing: there is none, and `create` is False; nothing is made.
        DatabaseUnavailable: it cannot be opened, or the folder cannot be written to.
    """
    url = _parse(where)
    if url.get_backend_name() != "sqlite":
        try:
            engine = create_engine(url, pool_pre_ping=True)
        except (ArgumentError, ImportError) as error:
            raise DatabaseUnavailable(_shown(url), str(error)) from error
        return _opened(engine, create=create, mirrors=mirrors)
    if url.database:
        _prepare_folder(Path(url.database), create=create)
    warn_of_affected(pysqlite)
    engine = create_engine(url, module=pysqlite, pool_size=40, max_overflow=40)
    event.listen(engine, "connect", partial(_prepare, busy_seconds / BEGIN_ATTEMPTS))
    event.listen(engine, "begin", _begin)
    return _opened(engine, create=create, mirrors=mirrors)


def _parse(where: str | Path) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    try:
        return make_url(where)
    except (ArgumentError, ValueError) as error:
        reason = "it is no address such as postgresql+psycopg://user@host/name"
        raise DatabaseUnavailable("of TRAIND_DATABASE_URL", reason) from error


def _prepare_folder(file: Path, *, create: bool) -> None:
    if not create:
        if not file.exists():
            raise DatabaseMissing(str(file))
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(str(file), f"{error.filename}: {error.strerror}") from error
    for place in (file.parent, file):
        if place.exists() and not os.access(place, os.W_OK):
            raise DatabaseUnavailable(str(file), f"{place} is not writable for this user")


def _opened(engine: Engine, *, create: bool, mirrors: bool) -> Database:
    """Opens a first connection, so that what is wrong is known now and not at some request."""
    try:
        with engine.connect() as connection:
            is_empty = (
                engine.dialect.name == "sqlite"
                and not connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
            )
    except DatabaseError as error:
        engine.dispose()
        reason = str(error.orig).strip().partition("\n")[0]
        raise DatabaseUnavailable(_shown(engine.url), reason) from error
    if is_empty and not create:
        engine.dispose()
        raise DatabaseMissing(_shown(engine.url))
    return Database(engine, mirrors=mirrors)


def _shown(url: URL) -> str:
    """A file's path, or the address of a server without its password."""
    if url.get_backend_name() == "sqlite":
        return url.database or "in memory"
    return url.render_as_string(hide_password=True)


def _prepare(busy_seconds: float, connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={busy_seconds * 1000:.0f}",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"journal_size_limit={JOURNAL_SIZE_LIMIT}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def _unenforced(connection: Connection) -> Iterator[None]:
    """Foreign keys off for a SQLite connection. Inside a transaction the pragma does nothing."""
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


def _is_full(error: OperationalError) -> bool:
    """Whether there is no room for the data, or for the index of the write-ahead log."""
    name = getattr(error.orig, "sqlite_errorname", "")
    return name in {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def now(connection: Connection) -> int:
    """Microseconds since 1970, by the database server's clock where there is a server."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    microseconds = connection.exec_driver_sql(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    ).scalar_one()
    return int(microseconds)
