"""A copy of the database as it is at one moment, made while others read and write."""

import os
from pathlib import Path

from app.store.database import Database, pysqlite
from app.store.errors import BackupRefused


def back_up(database: Database, to: Path) -> None:
    """Writes a whole, checked copy to a new file; it appears there complete or not at all.

    `VACUUM INTO` reads one state, so writers go on: https://sqlite.org/lang_vacuum.html.

    Raises:
        BackupRefused: the file exists, the copy is damaged, or the database is a server's.
    """
    if database.path is None:
        raise BackupRefused("a database server has its own tool, such as pg_dump")
    if to.exists():
        raise BackupRefused(f"{to} exists; choose a new file")
    partial = to.with_name(to.name + ".partial")
    partial.unlink(missing_ok=True)
    source = pysqlite.connect(database.path, isolation_level=None, timeout=10)
    try:
        source.execute("VACUUM INTO ?", (str(partial),))
    except pysqlite.OperationalError as error:  # no room, or no such folder
        partial.unlink(missing_ok=True)
        raise BackupRefused(str(error)) from error
    finally:
        source.close()
    copy = pysqlite.connect(partial, isolation_level=None)
    try:
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
        broken = copy.execute("PRAGMA foreign_key_check").fetchone()
    finally:
        copy.close()
    if verdict != "ok" or broken:
        partial.unlink()
        raise BackupRefused(f"the copy is damaged ({verdict}); check the database's disk")
    _sync(partial)
    partial.rename(to)
    _sync(to.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
