"""Removes the files of datasets that no row names any more: a deletion or a crash leaves them."""

import re
import shutil
import time
from pathlib import Path

from app.settings import Settings
from app.store import datasets
from app.store.database import Database
from app.store.objects import Objects

UPLOAD_SECONDS = 7 * 86400.0
"""How long an unfinished upload is kept after its last byte."""
OBJECT_SECONDS = 3600.0
"""How long an object lies before its row is missed: it is written just before the row."""
OWN = re.compile(r"(ds_\w+)(\..*)?")
"""A version's arrays, and what an import has left beside them."""


def sweep(settings: Settings, database: Database) -> list[str]:
    """Removes uploads that were abandoned, and objects and arrays without a version; says which."""
    objects = Objects(settings.objects)
    removed = []
    for upload in objects.uploads(before=time.time() - UPLOAD_SECONDS):
        objects.abandon(upload)
        removed.append(upload)
    for digest in objects.digests(before=time.time() - OBJECT_SECONDS):
        with database.write() as connection:  # nobody names it anew meanwhile
            datasets.hold_object(connection, digest)
            if not datasets.is_kept(connection, digest):
                objects.discard(digest)
                removed.append(digest)
    return removed + _sweep_arrays(settings.home / "datasets", database)


def _sweep_arrays(home: Path, database: Database) -> list[str]:
    found = [path for path in home.glob("ds_*") if OWN.fullmatch(path.name)]
    with database.read() as connection:  # after the folder was read: newer versions are not in it
        there = datasets.ids(connection)
    removed = []
    for path in found:
        if path.name.partition(".")[0] not in there:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
            removed.append(path.name)
    return removed
