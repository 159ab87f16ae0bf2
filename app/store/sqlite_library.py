"""Which SQLite library is used: one without the WAL-reset corruption bug, where it is installed."""

import sqlite3
import types
import warnings

__all__ = ["pysqlite", "warn_of_affected"]

try:
    from pysqlite3 import dbapi2 as pysqlite
except ImportError:
    pysqlite = sqlite3


def warn_of_affected(module: types.ModuleType) -> None:
    """SQLite 3.7.0 to 3.51.2 may corrupt a database whose WAL is reset by two connections."""
    version = module.sqlite_version_info
    backported = (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)
    if version >= (3, 51, 3) or backported:
        return
    warnings.warn(
        f"SQLite {module.sqlite_version} has the WAL-reset bug; "
        "install pysqlite3 or SQLite 3.51.3 or newer",
        RuntimeWarning,
        stacklevel=3,
    )
