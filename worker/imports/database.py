"""DuckDB, which reads tables: within a memory limit and with no other file in reach."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from worker.imports.refusals import Refusal

MEMORY_MB = 2048
"""Most memory that DuckDB may take, in MB; half of the import's limit if that is less."""
CANNOT_WRITE = "Could not write"
"""Part of DuckDB's words where its own file has no room."""


def opened(
    *files: Path, memory_mb: int | None, storage: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """A database that may read these files and no others.

    `memory_mb` is the import's limit. Tables are kept in the file `storage`, or in memory.
    """
    memory = MEMORY_MB if memory_mb is None else min(MEMORY_MB, max(64, memory_mb // 2))
    limits: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": f"{memory}MB",
        "temp_directory": "",
    }
    database = duckdb.connect(str(storage or ":memory:"), config=limits)
    allowed = ", ".join(quoted(str(file)) for file in files)
    database.execute(f"SET allowed_paths = [{allowed}]")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database


@contextmanager
def refusing(what: str, advice: str) -> Iterator[None]:
    """Refuses `what`, such as "The CSV file", when it cannot be read; `advice` is what helps when
    the memory does not suffice.

    Raises:
        Refusal: it is damaged, or too large for the memory.
        OSError: the disk is full.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Refusal(
            "too_large", f"{what} takes more memory to read than there is for it.", advice
        ) from error
    except (duckdb.Error, UnicodeDecodeError) as error:
        if CANNOT_WRITE in str(error):
            raise OSError(errno.ENOSPC, str(error)) from error
        reason = (str(error).splitlines() or ["no reason"])[0]
        raise Refusal(
            "damaged_file", f"{what} cannot be read: {reason}", "Write it again and send it."
        ) from error


def identifier(name: str) -> str:
    """A column's name in a question."""
    return '"' + name.replace('"', '""') + '"'


def quoted(value: str) -> str:
    """A text in a question."""
    return "'" + value.replace("'", "''") + "'"
