"""Has uploaded files imported, one at a time, in a process of its own, under a lease as jobs have.

The process makes the arrays and tells what it found; only the worker writes to the database.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from app.settings import Settings
from app.store import datasets, imports
from app.store.database import Connection, Database
from app.store.datasets import Dataset
from app.store.errors import DatasetNotFound, LeaseLost
from app.store.imports import ImportLease
from app.store.object_folder import ObjectFolder
from worker import memory
from worker.import_process import ImportProcess
from worker.imports.messages import (
    COMMAND,
    Base,
    Delayed,
    Hindered,
    Import,
    Imported,
    Refused,
    Stored,
)

log = logging.getLogger("traind.worker")

MOST_MB = 2048
"""Most memory of an import, in MB: what it holds at once does not grow with the file."""
REST_SECONDS = 10.0
"""How long imports rest after one that could not fetch its file. After one that the machine has
hindered they rest as long as that one does."""


class Importer:
    """Imports of one worker."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        worker: str,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._settings = settings
        self._database = database
        self._worker = worker
        self._command = command
        self._lease: ImportLease | None = None
        self._process: ImportProcess | None = None
        self._stamp: int | None = None
        self._rests_until = 0.0

    @property
    def waitables(self) -> list[Any]:
        """What is ready when the import has said something."""
        running = self._process is not None and not self._process.has_ended
        return [self._process.output] if self._process and running else []

    def turn(self, *, stopping: bool) -> None:
        """Takes up an import that waits, or goes on with the one that is under way.

        Raises:
            DatabaseBusy, StorageFull: nothing was written; the next turn tries it again.
        """
        if self._process is None or self._lease is None:
            if not stopping and time.monotonic() >= self._rests_until:
                self._look()
            return
        self._process.listen()
        if stopping or self._process.is_due:
            self._relay(self._process, self._lease, stopping=stopping)

    def order_of(self, spec: dict[str, Any]) -> Import | None:
        """How to import the dataset that a job trains on; None for a built-in or deleted one."""
        pinned = spec.get("dataset", {}).get("facts", {}).get("id")
        if pinned is None:
            return None
        with self._database.read() as connection, suppress(DatasetNotFound):
            return order(connection, self._settings, datasets.get(connection, pinned))
        return None

    def close(self) -> None:
        """Ends the import that is under way. A lease that could not be given back expires."""
        if self._process is not None:
            self._process.close()
        self._process = self._lease = None
        self._stamp = None  # there is room for another one

    def _look(self) -> None:
        """Asks for an import only after a commit, as the supervisor does for jobs, or while one
        rests: no commit says that its rest is over."""
        stamp = self._database.stamp()
        if stamp == self._stamp:
            return
        with self._database.read() as connection:
            waiting = imports.any_waiting(connection)
            rests = imports.any_resting(connection)
        if not waiting or not self._claim():
            self._stamp = None if rests else stamp

    def _claim(self) -> bool:
        with self._database.write() as connection:
            claimed = imports.claim(connection, self._worker)
            if claimed is None:
                return False
            self._lease, dataset = claimed
            wanted = order(connection, self._settings, dataset)
        log.info("%s: import, attempt %d", dataset.id, self._lease.attempt)
        try:
            self._process = ImportProcess(self._command, wanted)
        except OSError as error:
            how = f"its process could not start: {error}"
            with self._database.write() as connection:
                self._hindered(connection, self._lease, how, imports.UNKNOWN)
        return True

    def _hindered(self, connection: Connection, lease: ImportLease, how: str, advice: str) -> None:
        """Has an import tried again after a rest, in which this worker begins no other."""
        rest = imports.hinder(connection, lease, how, advice)
        after = f"; it is tried again in {rest:g} s" if rest is not None else ""
        log.error("the import of %s failed: %s%s", lease.dataset_id, how, after)
        self._rests_until = time.monotonic() + (rest or 0.0)

    def _relay(self, process: ImportProcess, lease: ImportLease, *, stopping: bool) -> None:
        """Writes what an import has said. Its last word, its death or a stop releases it."""
        try:
            with self._database.write() as connection:
                ended = self._write(connection, process, lease, stopping=stopping)
        except LeaseLost as lost:
            log.warning("%s", lost)
            ended = True
        if ended:
            self.close()
        else:
            process.written()

    def _write(
        self, connection: Connection, process: ImportProcess, lease: ImportLease, *, stopping: bool
    ) -> bool:
        """Writes what there is to write; returns whether the import is over."""
        match process.last_word:
            case Imported(facts=facts, report=report):
                imports.succeed(connection, lease, facts, report)
                log.info("%s is ready", lease.dataset_id)
            case Refused(code=code, message=message, advice=advice):
                imports.refuse(connection, lease, code, message, advice)
                log.info("%s is refused: %s", lease.dataset_id, message)
            case Delayed(message=message):
                imports.put_back(connection, lease)
                self._rests_until = time.monotonic() + REST_SECONDS
                log.error("the import of %s waits: %s", lease.dataset_id, message)
            case Hindered(how=hindrance, advice=advice):
                self._hindered(connection, lease, hindrance, advice)
            case None if stopping:
                imports.put_back(connection, lease)
            case None if (how := process.death(self._settings.no_progress_seconds)) is not None:
                log.error("the import of %s died: %s", lease.dataset_id, how)
                imports.lose(connection, lease, how)
            case None:
                said = process.progress
                imports.renew(connection, lease, msgspec.structs.asdict(said) if said else None)
                return False
        return True


def order(connection: Connection, settings: Settings, dataset: Dataset) -> Import:
    """What has to be imported of a version, and where to."""
    return Import(
        source=_source(settings, dataset),
        target=str((settings.home / "datasets" / dataset.id).absolute()),
        name=dataset.name,
        file_name=dataset.file_name,
        kind=dataset.kind,
        options=dataset.options,
        memory_mb=settings.run_memory_mb or min(MOST_MB, memory.share(settings.slots)),
        base=_base(connection, settings, dataset.options.get("base")),
    )


def _source(settings: Settings, dataset: Dataset) -> str | Stored:
    """The path of an uploaded file, or how it is fetched."""
    where, digest = settings.object_storage, dataset.content_sha256 or ""
    if isinstance(where, Path):
        return str(ObjectFolder(where).path(digest))
    cache = str(settings.cache.absolute())
    return Stored(where, digest, dataset.content_bytes, cache, settings.cache_bytes)


def _base(connection: Connection, settings: Settings, ref: str | None) -> Base | None:
    """What an import adds to; a base that was deleted since is told by its lack of facts."""
    if ref is None:
        return None
    facts = imports.base_facts(connection, ref)
    own = datasets.get(connection, facts.id) if facts is not None and facts.id else None
    return Base(
        dataset={"name": ref} | ({"facts": facts.model_dump(mode="json")} if facts else {}),
        datasets_home=str((settings.home / "datasets").absolute()),
        datasets_source=str(settings.datasets) if settings.datasets else None,
        own_dataset=order(connection, settings, own) if own else None,
    )
