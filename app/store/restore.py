"""Puts a backup in place: the copy of the database, and the uploaded files that it names."""

import shutil
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.store.backup import sync
from app.store.database import pysqlite
from app.store.errors import StoreError
from app.store.migrations import FIRST, SCHEMA
from app.store.object_errors import ObjectDamaged
from app.store.object_folder import ObjectFolder
from app.store.objects import Objects, fetch, pieces

BESIDE = ("", "-wal", "-shm", "-journal")
"""Endings of the files of a SQLite database: an old log would be played into the restored one."""


class RestoreRefused(StoreError):
    """A backup was not put in place."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Nothing was restored: {reason}.")


def place(where: str | Path) -> Path:
    """The file of a SQLite database, from its path or its SQLAlchemy address.

    Raises:
        RestoreRefused: a server holds the database.
    """
    if isinstance(where, Path):
        return where
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() != "sqlite" or not url.database:
        raise RestoreRefused(
            "TRAIND_DATABASE_URL names no SQLite file; a database server has its own tool, such as "
            "pg_restore"
        )
    return Path(url.database).absolute()


def restore(
    backup: Path,
    database: Path,
    objects: Objects,
    *,
    may_lack: bool = False,
    may_drop: bool = False,
) -> list[str]:
    """Puts a checked copy in the place of the database; returns the digests that are left out.

    First the uploaded files, from the folder beside the backup, and the database last and at once:
    a home has either none or a whole one. A service may start as soon as this returns. With
    `may_lack`, files that are missing or damaged in the backup are left out, and datasets without
    them cannot be decoded again. A service removes objects that its database does not name: with
    `may_drop`, there may be such ones in the bucket.

    Raises:
        RestoreRefused: there is a database already, the backup is damaged, another traind made it,
            a file is missing or damaged, or another service seems to use the bucket. Nothing is
            changed.
        ObjectsUnavailable: the bucket cannot be used. Nothing is changed, or files were added.
        OSError: the disk is full, or may not be written to. Nothing is changed.
    """
    _check_free(database)
    digests = _checked(backup)
    if not may_drop:
        _check_own(objects, digests)
    copies = ObjectFolder(backup.with_name(f"{backup.name}.objects"))
    needed = [digest for digest in digests if not objects.has(digest)]
    left_out = [digest for digest in needed if not copies.has(digest)]
    if left_out and not may_lack:
        raise RestoreRefused(
            f"{len(left_out)} of the {len(digests)} files of datasets are not in "
            f"{backup}.objects, {left_out[0]} first: put that folder beside {backup.name}, or go "
            "on without them by --without-files"
        )
    database.parent.mkdir(parents=True, exist_ok=True)
    partial = database.with_name(f"{database.name}.restored")
    made: list[str] = []
    try:
        for digest in sorted(set(needed) - set(left_out)):
            try:
                _copy_object(copies, objects, digest, made)
            except ObjectDamaged as damaged:
                if not may_lack:
                    raise RestoreRefused(
                        f"{copies.path(digest)} is damaged, its bytes have another digest: put a "
                        "whole one there from another backup, or go on without it by "
                        "--without-files"
                    ) from damaged
                left_out.append(digest)
        _copy(backup, partial)
        _checked(partial)
        try:
            database.hardlink_to(partial)
        except FileExistsError:  # one has appeared meanwhile, and stays
            _check_free(database)
            raise
        made.clear()
        sync(database.parent)
    except BaseException:
        for digest in made:
            objects.discard(digest)
        raise
    finally:
        partial.unlink(missing_ok=True)
    return left_out


def _check_free(database: Path) -> None:
    for ending in BESIDE:
        there = database.with_name(database.name + ending)
        if there.exists():
            raise RestoreRefused(
                f"{there} exists; stop the service and move it away, or set TRAIND_HOME to another "
                "folder"
            )


def _checked(backup: Path) -> list[str]:
    """The digests of the uploaded files that a backup names, once all of it has been checked."""
    if not backup.is_file():
        raise RestoreRefused(f"there is no file {backup}")
    if backup.with_name(f"{backup.name}-wal").exists():
        raise RestoreRefused(
            f"{backup} is a database in use, with changes that are not in the file; `traind "
            "backup` makes a copy"
        )
    try:
        with closing(pysqlite.connect(f"{backup.as_uri()}?immutable=1", uri=True)) as opened:
            (verdict,) = opened.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok" or opened.execute("PRAGMA foreign_key_check").fetchone():
                why = " ".join(verdict.split())
                raise RestoreRefused(f"{backup} is damaged ({why}); use another backup")
            found = opened.execute("SELECT version_num FROM alembic_version").fetchone()
            if found is None or not FIRST <= found[0] <= SCHEMA:
                schema = found[0] if found else "no schema"
                raise RestoreRefused(
                    f"{backup} has schema {schema}, this traind knows {SCHEMA}: use the version "
                    "that made it, or a newer one"
                )
            named = "SELECT DISTINCT content_sha256 FROM datasets WHERE content_sha256 IS NOT NULL"
            has_datasets = opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'datasets'")
            if has_datasets.fetchone() is None:  # a schema from before there were any
                return []
            return [digest for (digest,) in opened.execute(named)]
    except pysqlite.DatabaseError as error:
        raise RestoreRefused(f"{backup} is no backup of traind: {error}") from error


def _check_own(objects: Objects, digests: list[str]) -> None:
    """Refuses a bucket with objects that a service on the restored database would remove."""
    if objects.path("") is not None:  # a home without a database has none of another service
        return
    others = len(set(objects.digests(before=time.time())) - set(digests))
    if others:
        raise RestoreRefused(
            f"{objects.address} has {others} files that the backup does not name, and a "
            "service removes what its database does not name: set TRAIND_OBJECTS to another "
            "prefix, or, if no other service uses this one, go on with --drop-others"
        )


def _copy_object(copies: ObjectFolder, objects: Objects, digest: str, made: list[str]) -> None:
    """Puts an uploaded file in its place, and its digest on the list of those `made`.

    Raises:
        ObjectDamaged: its bytes have changed; nothing is put in place.
    """
    target = objects.path(digest)
    made.append(digest)
    if target is not None:
        fetch(copies, digest, target)
        sync(target.parent)
        return
    for _ in pieces(copies, digest):
        pass
    objects.put(copies.path(digest), digest)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    sync(target)
