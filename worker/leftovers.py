"""Removes the files of datasets that no row names any more: a deletion or a crash leaves them."""

import logging
import re
import shutil
import time
from contextlib import suppress
from itertools import chain, takewhile
from pathlib import Path
from secrets import token_hex

from app.settings import Settings
from app.store import datasets, object_names
from app.store.database import Database
from app.store.object_errors import ObjectsUnavailable
from app.store.objects import Objects, open_objects
from app.store.uploads import Uploads

log = logging.getLogger("traind.worker")

UPLOAD_SECONDS = 7 * 86400.0
"""How long an unfinished upload is kept after its last byte."""
OBJECT_SECONDS = 3600.0
"""How long an object lies before its row is missed: it is written just before the row."""
LOOK_SECONDS = 3.0
"""How long one sweep lists objects, and how long it removes some: less than a lease in all."""
OWN = re.compile(r"(ds_\w+)(\..*)?")
"""A version's arrays, and what an import has left beside them."""


def sweep(settings: Settings, database: Database) -> list[str]:
    """Removes uploads that were abandoned, and objects and arrays without a version; says which."""
    uploads = Uploads(settings.uploads)
    removed = []
    for upload in uploads.abandoned(before=time.time() - UPLOAD_SECONDS):
        uploads.abandon(upload)
        removed.append(upload)
    try:
        removed += _sweep_objects(open_objects(settings.object_storage), database)
    except ObjectsUnavailable as unavailable:
        log.warning("%s What no dataset has any more is removed from it later.", unavailable)
    removed += _sweep_cache(settings.cache, database)
    return removed + _sweep_arrays(settings.home / "datasets", database)


def _sweep_objects(objects: Objects, database: Database) -> list[str]:
    """Looks at as many objects as it can in `LOOK_SECONDS`, from a random one on.

    So a bucket that is large or slow holds up no heartbeat, and each object has its turn.
    """
    until, first = time.monotonic() + LOOK_SECONDS, token_hex(32)
    before = time.time() - OBJECT_SECONDS
    rest = takewhile(lambda digest: digest <= first, objects.digests(before))
    every = chain(objects.digests(before, after=first), rest)
    found = list(takewhile(lambda _: time.monotonic() < until, every))
    with database.read() as connection:
        named = object_names.named(connection)
    removed: list[str] = []
    for digest in found:
        if digest in named:
            continue
        if time.monotonic() > until + LOOK_SECONDS:
            break
        with database.write() as connection:  # nobody names it anew meanwhile
            object_names.hold(connection, digest)
            if not object_names.is_named(connection, digest):
                objects.discard(digest)
                removed.append(digest)
    return removed


def _sweep_cache(cache: Path, database: Database) -> list[str]:
    """Removes what was fetched of files that no version has any more, or not to its end."""
    found = list(cache.glob("*"))
    with database.read() as connection:  # after the folder was read, as below
        named = object_names.named(connection)
    removed = []
    for path in found:
        digest, _, ending = path.name.partition(".")
        if digest not in named or (ending == "partial" and _is_old(path)):
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _is_old(path: Path) -> bool:
    """Whether nobody has written to a file for an hour: who fetched it was killed."""
    with suppress(FileNotFoundError):  # it has come to its end
        return path.stat().st_mtime < time.time() - OBJECT_SECONDS
    return False


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
