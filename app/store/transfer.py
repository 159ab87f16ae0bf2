"""Transfers everything from one database to another, such as from SQLite to PostgreSQL.

It arrives whole or not at all: the rows are written in one transaction of the target, which ends
when they have been read there again and are the same. The source is only read.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, func, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from app.store import database, dialects, migrations
from app.store.database import Database, pysqlite
from app.store.errors import SchemaMismatch, StoreError
from app.store.tables import metadata

BATCH_ROWS = 500
"""Rows that are in memory at a time; of a table with blobs, which may have 100 MB each, one."""
BUSY_SECONDS = 6.0
"""How long a lock is waited for that another process holds."""
VERSION_TABLE = "alembic_version"


class TransferRefused(StoreError):
    """Nothing was transferred."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Nothing was transferred: {reason}.")


@dataclass
class Transferred:
    """What has arrived: rows by table, and what the target cannot store, by its name in words.

    `damaged` are blobs that did not have their digest in the source already; they are the same now.
    """

    rows: dict[str, int] = field(default_factory=dict)
    replaced: Counter[str] = field(default_factory=Counter)
    damaged: int = 0


@dataclass
class Progress:
    """Called with how many of `total` rows have just been written or checked."""

    started: Callable[[int], None] = lambda _total: None
    advanced: Callable[[int], None] = lambda _rows: None


def transfer(
    source: str | Path, target: str | Path, progress: Progress | None = None
) -> Transferred:
    """Copies every row to a database that has none; its tables are made by the migrations.

    Both are paths of SQLite files, or addresses as `database.connect` takes them.

    Raises:
        TransferRefused: the target is not empty, cannot store a value, or failed meanwhile; its
            tables are empty.
        DatabaseInUse: another process uses one of the two.
        DatabaseMissing, DatabaseUnavailable, SchemaMismatch: as when traind starts.
    """
    if database.parse(source) == database.parse(target):
        raise TransferRefused("both are the same database")
    try:
        with _at_rest(source) as old:
            opened = database.connect(target, alone=True, busy_seconds=BUSY_SECONDS)
            with closing(opened) as new:
                _check_free(new)
                migrations.migrate(new)
                return _transfer(old, new, progress or Progress())
    except (DBAPIError, pysqlite.Error) as error:
        said = str(error.orig if isinstance(error, DBAPIError) else error)
        raise TransferRefused(f"a database says: {said.strip().partition(chr(10))[0]}") from error


@contextmanager
def _at_rest(source: str | Path) -> Iterator[Database]:
    """The source with the newest schema, and used by nobody else; an older one's upgraded copy."""
    opened = database.connect(source, create=False, alone=True, busy_seconds=BUSY_SECONDS)
    with closing(opened):
        found = migrations.schema_of(opened)
        if found == migrations.SCHEMA:
            yield opened
            return
        if found is None or not migrations.FIRST <= found < migrations.SCHEMA:
            raise SchemaMismatch(found or "none", migrations.SCHEMA)
        if opened.path is None:
            raise TransferRefused(
                f"the source has the older schema {found}; `traind serve` upgrades it"
            )
        with TemporaryDirectory(prefix=".traind-upgrade-", dir=opened.path.parent) as folder:
            copy = Path(folder) / "traind.db"
            opened.copy_to(copy)
            with closing(database.connect(copy, alone=True)) as upgraded:
                migrations.migrate(upgraded)
                yield upgraded


def _check_free(target: Database) -> None:
    """Whether the target has no tables, or those of traind without a row."""
    with target.read() as connection:
        present = set(inspect(connection).get_table_names())
        if not present:
            return
        where = "make a new, empty database"
        if VERSION_TABLE not in present:
            raise TransferRefused(f"the target holds tables of something else; {where}")
        for table in metadata.sorted_tables:
            if table.name in present and _count(connection, table):
                raise TransferRefused(f"the target holds {table.name} already; {where}")


def _transfer(old: Database, new: Database, progress: Progress) -> Transferred:
    done = Transferred()
    tables = metadata.sorted_tables  # what is referred to comes first
    with old.read() as source, new.write() as target:
        for connection in (source, target):
            dialects.of(connection).hold_all(connection, tables)
        counts = {table.name: _count(source, table) for table in tables}
        progress.started(2 * sum(counts.values()))
        for table in tables:
            sent = _copy(source, target, table, done, progress)
            arrived = _read_again(target, table, done, progress)
            if arrived != sent or sent.rows != counts[table.name]:
                raise TransferRefused(
                    f"{table.name} did not arrive as sent: {sent.rows} rows and {arrived.rows}, "
                    "or other bytes in them"
                )
            done.rows[table.name] = sent.rows
    return done


@dataclass
class _Sum:
    """Of rows in any order: how many, and the sum of their digests."""

    rows: int = 0
    digest: int = 0

    def add(self, row: dict[str, Any]) -> None:
        """Counts a row in."""
        content = json.dumps(list(row.values()), default=_blob_digest).encode()
        self.rows += 1
        self.digest = (self.digest + int.from_bytes(sha256(content).digest())) % 2**256


def _blob_digest(blob: bytes) -> str:
    return sha256(blob).hexdigest()


def _copy(
    source: Connection, target: Connection, table: Table, done: Transferred, progress: Progress
) -> _Sum:
    sent, dialect = _Sum(), dialects.of(target)
    for part in _parts(source, table):
        batch = [
            {name: dialect.storable(value, done.replaced) for name, value in row.items()}
            for row in part
        ]
        target.execute(insert(table), batch)
        for row in batch:
            sent.add(row)
        progress.advanced(len(batch))
    return sent


def _read_again(target: Connection, table: Table, done: Transferred, progress: Progress) -> _Sum:
    arrived = _Sum()
    for part in _parts(target, table):
        for row in part:
            arrived.add(row)
            declared, content = row.get("sha256"), row.get("content")
            if declared and isinstance(content, bytes) and _blob_digest(content) != declared:
                done.damaged += 1
        progress.advanced(len(part))
    return arrived


def _parts(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table, few at a time."""
    has_blobs = any(isinstance(column.type, LargeBinary) for column in table.c)
    rows = 1 if has_blobs else BATCH_ROWS
    with connection.execute(select(table).execution_options(yield_per=rows)) as found:
        for part in found.mappings().partitions():
            yield [dict(row) for row in part]


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
