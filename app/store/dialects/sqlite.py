"""SQLite: one writer at a time, and no server.

The settings were measured with eight processes: writers take the lock at BEGIN (deferred ones lost
updates or failed as "locked"), and every acknowledged commit is synced to disk.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from app.store.dialects.protocol import News
from app.store.disk import DatabaseDamaged, DatabaseUnwritable
from app.store.errors import (
    DatabaseBusy,
    DatabaseMissing,
    DatabaseUnavailable,
    ReferencesBroken,
    StorageFull,
    StoreError,
)
from app.store.sqlite_library import pysqlite, warn_of_affected

JOURNAL_SIZE_LIMIT = 64 * 2**20
BEGIN_ATTEMPTS = 3
MIGRATION_SECONDS = 60.0
"""How long a process waits while another one migrates."""
FULL = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}
"""There is no room for the data, or for the index of the write-ahead log."""
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
"""Names of errors that begin so say that the file is no database, or no longer a sound one."""
UNWRITABLE = {
    "SQLITE_READONLY_DBMOVED": "its file was moved or removed",
    "SQLITE_READONLY": "its file, its folder or its disk is read-only",
    "SQLITE_CANTOPEN": "its file, or one beside it, cannot be opened",
    "SQLITE_IOERR": "the disk refuses to read or write",
}
"""What names of errors that begin so mean. The first that fits counts."""


class SQLite:
    """The dialect of a SQLite file."""

    reads: Mapping[str, Any] = {}
    writes: Mapping[str, Any] = {"writes": True}
    tells_progress = True

    def engine(self, url: URL, *, create: bool, busy_seconds: float) -> Engine:
        """Makes the folder, and has every connection set up as measured."""
        if url.database:
            _prepare_folder(Path(url.database), create=create)
        warn_of_affected(pysqlite)
        engine = create_engine(url, module=pysqlite, pool_size=40, max_overflow=40)
        event.listen(engine, "connect", partial(_prepare, busy_seconds / BEGIN_ATTEMPTS))
        event.listen(engine, "begin", _begin)
        return engine

    def shown(self, url: URL) -> str:
        """The path of the file."""
        return url.database or "in memory"

    def reason(self, url: URL, error: DatabaseError) -> str:
        """What may not be written to, where SQLite says only that it cannot open the file.

        It is asked after SQLite: a file that may only be read can be opened beside a service.
        """
        unwritable = _unwritable(Path(url.database)) if url.database else None
        return unwritable or str(error.orig).strip().partition("\n")[0]

    def keep_others_out(self, engine: Engine) -> None:
        """A lock on the file, which no connection gets while another one is open, idle or not."""
        event.listen(engine, "connect", lambda connection, _: _exclude(connection), insert=True)

    def path(self, url: URL) -> Path | None:
        """The file; None for a database in memory."""
        return Path(url.database) if url.database else None

    def is_empty(self, connection: Connection) -> bool:
        """Whether the file has no schema, not even an empty one."""
        return not connection.exec_driver_sql("PRAGMA schema_version").scalar_one()

    @contextmanager
    def begun(self, connection: Connection) -> Iterator[None]:
        """Waits for the write lock, several times with a pause between."""
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
        with transaction:
            yield

    def committing(self, connection: Connection, sender: str, news: News) -> None:
        """Nothing: the doorbell beside the file rings after the commit (doorbell.py)."""

    def meaning(self, error: SQLAlchemyError) -> StoreError | None:
        """What is wrong with the disk. A lock that is held is known where the write begins."""
        return _meaning(getattr(error, "orig", None))

    @contextmanager
    def rebuilding(self, connection: Connection) -> Iterator[None]:
        """Checks foreign keys once, at the end.

        SQLite changes a table by copying it and dropping the old one. With foreign keys enforced,
        the drop would delete every row that refers to it: https://sqlite.org/lang_altertable.html.
        """
        with _unenforced(connection), self.begun(connection):
            yield
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise ReferencesBroken(sorted({row[0] for row in broken}), len(broken))

    def has_write_ahead_log(self, engine: Engine) -> bool:
        """Whether the file is in WAL mode; a restored backup is not."""
        with engine.connect() as connection, connection.begin():
            mode: str = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        return mode == "wal"

    def use_write_ahead_log(self, engine: Engine) -> None:
        """Called under the migration lock: connections that set it at the same time failed."""
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        except pysqlite.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise DatabaseBusy from error
        finally:
            connection.close()

    def migrating(self, engine: Engine) -> AbstractContextManager[object]:
        """A lock on a file beside the database."""
        file = Path(engine.url.database or "")
        return FileLock(file.with_name(f"{file.name}.migrate.lock"), timeout=MIGRATION_SECONDS)

    def now(self, connection: Connection) -> int:  # noqa: ARG002 (there is no server to ask)
        """By this machine's clock."""
        return time.time_ns() // 1000

    def insert(self, table: Table) -> Insert:
        """SQLite has ON CONFLICT since 3.24."""
        return Insert(table)

    def hold_all(self, connection: Connection, tables: Iterable[Table]) -> None:
        """Nothing: a write holds the whole database."""

    def storable(self, value: Any, replaced: Counter[str]) -> Any:  # noqa: ARG002
        """The value itself."""
        return value

    def hold(self, connection: Connection, name: str) -> None:
        """Nothing: a write holds the whole database."""

    def witness(self, engine: Engine, own: str) -> "DataVersion":  # noqa: ARG002
        """A connection that notices the commits of all others, this process's too."""
        return DataVersion(engine.url.database or "")


class DataVersion:
    """https://sqlite.org/pragma.html#pragma_data_version: microseconds, and exact."""

    def __init__(self, file: str) -> None:
        self._connection = pysqlite.connect(file, isolation_level=None, timeout=0.05)

    def stamp(self) -> int:
        """Changes with each commit of another connection. One thread uses it."""
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except pysqlite.OperationalError as error:
            meaning = _meaning(error)
            if meaning is None:
                raise
            raise meaning from error
        return int(version)

    look_seconds = 0.0

    def spread_looks(self, workers: int) -> None:
        """Nothing: a file has few workers."""

    def bell(self, *, deaf_to_self: bool) -> None:
        """None: committing processes ring (doorbell.py)."""

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def _meaning(error: object) -> StoreError | None:
    name = getattr(error, "sqlite_errorname", "")
    if name in FULL:
        return StorageFull()
    if name.startswith(DAMAGED):
        return DatabaseDamaged(str(error))
    reasons = (reason for beginning, reason in UNWRITABLE.items() if name.startswith(beginning))
    reason = next(reasons, None)
    return None if reason is None else DatabaseUnwritable(f"{reason}: {name}")


def _prepare_folder(file: Path, *, create: bool) -> None:
    if not create:
        if not file.exists():
            raise DatabaseMissing(str(file))
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(str(file), f"{error.filename}: {error.strerror}") from error
    if unwritable := _unwritable(file):
        raise DatabaseUnavailable(str(file), unwritable)


def _unwritable(file: Path) -> str | None:
    for place in (file.parent, file):
        if place.exists() and not os.access(place, os.W_OK):
            return f"{place} is not writable for this user"
    return None


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


def _exclude(connection: Any) -> None:
    """https://sqlite.org/pragma.html#pragma_locking_mode: held from the first read on."""
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


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
