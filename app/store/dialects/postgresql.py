"""PostgreSQL: many writers at a time, which lock the rows that they decide by.

Reads see one state (REPEATABLE READ, READ ONLY). Writes are READ COMMITTED: each statement sees
what was committed before it, so a row that was locked first is read as it is now.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, inspect, text
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.exc import DatabaseError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.store.conflicts import WriteConflict
from app.store.dialects.notifications import CHANNEL, Listener
from app.store.dialects.protocol import News
from app.store.errors import (
    DatabaseBusy,
    DatabaseInUse,
    DatabaseUnavailable,
    StorageFull,
    StoreError,
)

DRIVER = "postgresql+psycopg"
APPLICATION = "traind"
LINGER_SECONDS = 3.0
"""How long the server may take to notice that a process has ended."""
POOL, OVERFLOW = 10, 35
"""Connections that are kept, and that are opened beyond them: 45 for the API's 40 threads."""
CONNECT_SECONDS = 10
"""How long an attempt to connect may take, or less where less patience is asked for."""
BROKEN_SECONDS = 10
"""After this long without an acknowledgment by the network, a connection counts as broken, for the
process and for the server: it then undoes a transaction, whose locks hold up others."""
IDLE_SECONDS = 20
"""A transaction in which a process does nothing for so long is undone: less than a lease."""
STATEMENT_SECONDS, ANSWER_SECONDS = 5, 10
"""How much longer than for a lock a statement may take, and the server may be silent."""
MIGRATION_SECONDS = 60
"""How long a process waits while another one migrates."""
MIGRATION_LOCK = 0x74726169  # "trai"

BUSY = {"55P03", "57014", "53300"}
"""lock_not_available, query_canceled, too_many_connections."""
CONFLICTS = {"40001", "40P01", "25P03"}
"""serialization_failure, deadlock_detected, idle_in_transaction_session_timeout."""
FULL = {"53100"}
"""disk_full: https://www.postgresql.org/docs/current/errcodes-appendix.html"""


class PostgreSQL:
    """The dialect of a PostgreSQL server, version 13 or newer, by psycopg 3."""

    reads: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    writes: Mapping[str, Any] = {"isolation_level": "READ COMMITTED"}
    tells_progress = False

    def engine(self, url: URL, *, create: bool, busy_seconds: float) -> Engine:  # noqa: ARG002
        """`postgresql://` alone means psycopg 3, too. The database itself is never made here."""
        if url.drivername == "postgresql":
            url = url.set(drivername=DRIVER)
        if url.drivername != DRIVER:
            raise DatabaseUnavailable(self.shown(url), f"its address must begin with {DRIVER}://")
        try:
            engine = create_engine(
                url,
                pool_pre_ping=True,  # a server that was started again is noticed before a write
                pool_size=POOL,
                max_overflow=OVERFLOW,
                pool_timeout=busy_seconds,
                json_serializer=_json,
                connect_args={
                    name: each
                    for name, each in _connecting(busy_seconds).items()
                    if name not in url.query
                },
            )
            from app.store.dialects.patience import Connector  # noqa: PLC0415 (only where psycopg is installed)
        except ImportError as error:
            reason = "psycopg is not installed: pip install 'traind[postgres]'"
            raise DatabaseUnavailable(self.shown(url), reason) from error
        session = (
            f"SET lock_timeout = {busy_seconds * 1000:.0f}; "
            f"SET statement_timeout = '{busy_seconds + STATEMENT_SECONDS:.1f}s'; "
            f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'; "
            # The server's own default is two hours, in which a dead process would hold its locks.
            f"SET tcp_keepalives_idle = {BROKEN_SECONDS // 2}; "
            f"SET tcp_keepalives_interval = {BROKEN_SECONDS // 5}; "
            f"SET tcp_user_timeout = '{BROKEN_SECONDS}s'; "
            # Acknowledged means stored, whatever the server's default is.
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        event.listen(engine, "do_connect", Connector(busy_seconds + ANSWER_SECONDS).connect)
        event.listen(engine, "connect", lambda connection, _: _prepare(connection, session))
        return engine

    def shown(self, url: URL) -> str:
        """The address without its password."""
        return url.render_as_string(hide_password=True)

    def reason(self, url: URL, error: DatabaseError) -> str:  # noqa: ARG002 (the driver names it)
        """What the driver says, its first line."""
        return str(error.orig).strip().partition("\n")[0]

    def keep_others_out(self, engine: Engine) -> None:
        """Finds others by the name that they give to their connections; `hold_all` keeps them out.

        Others are not found where their address sets another `application_name`.
        """
        others = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = :application AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + LINGER_SECONDS
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while connection.execute(others, {"application": APPLICATION}).scalar_one():
                if time.monotonic() > deadline:
                    raise DatabaseInUse(self.shown(engine.url))
                time.sleep(0.1)

    def path(self, url: URL) -> Path | None:  # noqa: ARG002
        """None: the server has the files."""
        return None

    def is_empty(self, connection: Connection) -> bool:
        """Whether no schema was made yet."""
        return not inspect(connection).has_table("alembic_version")

    def begun(self, connection: Connection) -> AbstractContextManager[object]:
        """Waits for nobody: locks are taken row by row."""
        return connection.begin()

    def committing(self, connection: Connection, sender: str, news: News) -> None:
        """Has the server notify whoever listens, at the commit, if it is work and was written."""
        if news is News.WORK:
            connection.execute(_NOTIFY, {"channel": CHANNEL, "sender": sender})

    def meaning(self, error: SQLAlchemyError) -> StoreError | None:
        """By SQLSTATE. A server that is gone keeps its OperationalError."""
        if isinstance(error, PoolTimeout):
            return DatabaseBusy()
        state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
        if state in CONFLICTS:
            return WriteConflict()
        if state in BUSY:
            return DatabaseBusy()
        return StorageFull() if state in FULL else None

    @contextmanager
    def rebuilding(self, connection: Connection) -> Iterator[None]:
        """A write that may take its time: tables are changed in place, with their references."""
        with _patient(connection), self.begun(connection):
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield

    def has_write_ahead_log(self, engine: Engine) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def use_write_ahead_log(self, engine: Engine) -> None:
        """It is used always."""

    @contextmanager
    def migrating(self, engine: Engine) -> Iterator[None]:
        """An advisory lock of a session: the server takes it back from a process that died."""
        with (
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
            _patient(connection),
        ):
            connection.execute(text(f"SET lock_timeout = '{MIGRATION_SECONDS}s'"))
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
            try:
                yield
            finally:
                connection.invalidate()  # closed, and with it the lock and the setting

    def now(self, connection: Connection) -> int:
        """By the server's clock, which all processes share; it goes on within a transaction."""
        microseconds = connection.exec_driver_sql(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        ).scalar_one()
        return int(microseconds)

    def insert(self, table: Table) -> Insert:
        """PostgreSQL's INSERT with ON CONFLICT."""
        return Insert(table)

    def hold_all(self, connection: Connection, tables: Iterable[Table]) -> None:
        """Locks them, and lets the transaction last: another database may have its turn."""
        names = ", ".join(f'"{table.name}"' for table in tables)
        connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
        for limit in ("idle_in_transaction_session_timeout", "statement_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
        driver: Any = connection.connection.driver_connection
        driver.patience = float("inf")

    def storable(self, value: Any, replaced: Counter[str]) -> Any:
        """As `_json` and the dumper of text write it."""
        return _storable(value, replaced)

    def hold(self, connection: Connection, name: str) -> None:
        """An advisory lock of the transaction. Names with equal hashes wait for each other."""
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        connection.execute(lock, {"name": name})

    def witness(self, engine: Engine, own: str) -> Listener:
        """A connection that listens for notifications, in a thread."""
        return Listener(engine, own)


_NOTIFY = text(
    "SELECT pg_notify(:channel, :sender) WHERE pg_current_xact_id_if_assigned() IS NOT NULL"
)


def _connecting(busy_seconds: float) -> dict[str, Any]:
    """https://www.postgresql.org/docs/current/libpq-connect.html; those in the address go first."""
    return {
        "connect_timeout": max(2, min(CONNECT_SECONDS, int(busy_seconds))),  # libpq: at least 2
        "keepalives_idle": BROKEN_SECONDS // 2,
        "keepalives_interval": BROKEN_SECONDS // 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 1000 * BROKEN_SECONDS,
        "application_name": APPLICATION,
    }


@contextmanager
def _patient(connection: Connection) -> Iterator[None]:
    """The server may be silent for as long as it takes."""
    driver: Any = connection.connection.driver_connection
    patience, driver.patience = driver.patience, float("inf")
    try:
        yield
    finally:
        driver.patience = patience


def _prepare(connection: Any, session: str) -> None:
    from psycopg.types.string import StrDumperUnknown  # noqa: PLC0415 (only where it is installed)

    class Storable(StrDumperUnknown):
        """Text without NUL, which PostgreSQL cannot store: a traceback may quote one."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd"))

    connection.adapters.register_dumper(str, Storable)
    connection.execute(session)
    connection.commit()


def _json(value: Any) -> str:
    """JSON that PostgreSQL takes: null for NaN and infinity, and no NUL."""
    try:
        written = json.dumps(value, allow_nan=False)
    except ValueError:
        written = json.dumps(_of_json(value, None), allow_nan=False)
    return json.dumps(_of_json(value, None), allow_nan=False) if "\\u0000" in written else written


def _storable(value: Any, replaced: Counter[str] | None = None) -> Any:
    """The value of a column, of JSON or not, without what PostgreSQL cannot store in it."""
    match value:
        case dict():
            return {
                _storable(name, replaced): _of_json(each, replaced) for name, each in value.items()
            }
        case list() | tuple():
            return [_of_json(each, replaced) for each in value]
        case str() if "\0" in value:
            if replaced is not None:
                replaced["NUL characters"] += value.count("\0")
            return value.replace("\0", "\ufffd")
    return value


def _of_json(value: Any, replaced: Counter[str] | None) -> Any:
    if not isinstance(value, float):
        return _storable(value, replaced)
    if abs(value) < float("inf"):
        return value
    if replaced is not None:
        replaced["numbers that are not finite"] += 1
    return None
