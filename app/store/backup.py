"""A copy of the database as it is at one moment, and of the uploaded files that it names."""

import os
from dataclasses import dataclass
from pathlib import Path

from app.store import object_names
from app.store.database import Database, pysqlite
from app.store.disk import DatabaseDamaged
from app.store.errors import StoreError
from app.store.object_errors import ObjectDamaged
from app.store.object_folder import ObjectFolder
from app.store.objects import Objects, fetch


class BackupRefused(StoreError):
    """No copy of the database was made."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"No backup was made: {reason}.")


def back_up(database: Database, to: Path) -> None:
    """Writes a whole, checked copy to a new file; it appears there complete or not at all.

    `VACUUM INTO` reads one state, so writers go on: https://sqlite.org/lang_vacuum.html.

    Raises:
        BackupRefused: the file exists, the copy is damaged, or the database is a server's.
        DatabaseDamaged: the database is.
    """
    if database.path is None:
        raise BackupRefused(
            "a database server has its own tool, such as pg_dump; copy TRAIND_HOME/objects, or "
            "the bucket of TRAIND_OBJECTS, after it: the files of datasets are there"
        )
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
    except pysqlite.DatabaseError as error:  # of its pages, for the file could be opened
        partial.unlink(missing_ok=True)
        raise DatabaseDamaged(str(error), str(database.path)) from error
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
    sync(partial)
    partial.rename(to)
    sync(to.parent)


@dataclass(frozen=True)
class Lacking:
    """A file that is in no backup, for it is not whole where it should be."""

    digest: str
    versions: list[str]
    """The datasets that need it, as name@version."""
    is_damaged: bool
    """Whether it is there with other bytes."""


@dataclass(frozen=True)
class Copied:
    """What a backup has of the files of datasets."""

    files: int
    """How many lie in it, whenever they were copied."""
    lacking: list[Lacking]


def copy_objects(database: Database, objects: Objects, copy: Path, to: Path) -> Copied:
    """Copies the files that a copy of the database names; one that is lost holds up no other.

    The folder `to` is what TRAIND_HOME/objects must be beside that copy. A file is named by its
    digest and never changes: what lies there from an earlier backup is not copied again. A file
    whose dataset was deleted since the copy was made is left out, and is not lacking: `database`
    names it no more.

    Raises:
        ObjectsUnavailable: the storage does not answer. What was copied stays for the next time.
    """
    opened = pysqlite.connect(copy, isolation_level=None)
    try:
        named = "SELECT DISTINCT content_sha256 FROM datasets WHERE content_sha256 IS NOT NULL"
        digests = [digest for (digest,) in opened.execute(named)]
    finally:
        opened.close()
    copies = ObjectFolder(to)
    missed: dict[str, bool] = {}
    for digest in digests:
        target = copies.path(digest)
        if target.exists():
            continue
        try:
            fetch(objects, digest, target)
        except (FileNotFoundError, ObjectDamaged) as error:
            missed[digest] = isinstance(error, ObjectDamaged)
        else:
            sync(target.parent)
    if not missed:
        return Copied(len(digests), [])
    with database.read() as connection:
        versions = object_names.versions(connection)
    lacking = [
        Lacking(digest, versions[digest], is_damaged)
        for digest, is_damaged in missed.items()
        if digest in versions
    ]
    return Copied(len(digests) - len(missed), lacking)


def sync(path: Path) -> None:
    """Has the disk hold what was written to a file, or which files a folder holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
