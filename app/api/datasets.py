"""Datasets of one's own: make, list, look at, what was found in them, import again, delete."""

from asyncio import get_running_loop
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError

from app.answers.datasets import DatasetVersion
from app.answers.pages import Page
from app.api import answering, examples
from app.api.auth import Unauthorized
from app.api.cursors import cursor, id_of, sort_key
from app.api.dataset_schemas import NewDataset
from app.api.idempotency import TheOnce
from app.api.parameters import MAX_WAIT_SECONDS, After, DatasetFilter, DatasetRef, PageSize
from app.api.problem_kinds import documented
from app.api.routes import Route, needs
from app.api.state import TheDatabase, TheKey, TheObjects, TheUploads, TheWatcher
from app.codes import DatasetStatus
from app.store import datasets, imports, object_names
from app.store.database import Connection, Database
from app.store.dataset_refs import PREFIX
from app.store.errors import (
    DatasetInUse,
    DatasetNameTaken,
    DatasetNotFound,
    DatasetNotReady,
    IdempotencyConflict,
    NotAwaited,
    QuotaExceeded,
)
from app.store.keys import Scope
from app.store.object_errors import ObjectsUnavailable

router = APIRouter(prefix="/datasets", tags=["datasets"], route_class=Route)


@router.post(
    "",
    status_code=201,
    summary="Make a dataset, or its next version",
    responses={
        200: {"model": DatasetVersion, "description": "What this Idempotency-Key made before"},
        201: {
            "description": "The dataset, which awaits its file",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Its address."}},
        },
        **documented(
            413, 415, DatasetNameTaken, DatasetNotFound, IdempotencyConflict, QuotaExceeded
        ),
    },
)
@needs(Scope.WRITE)
def make(
    *,
    response: Response,
    wanted: Annotated[NewDataset, Body(openapi_examples=examples.NEW_DATASETS)],
    database: TheDatabase,
    key: TheKey = None,
    once: TheOnce,
) -> DatasetVersion:
    """Says what a dataset is called and how its file is read. `PUT .../content` sends the file."""
    asked = wanted.model_dump(mode="json")
    options = wanted.model_dump(mode="json", exclude={"name", "kind", "file_name"})

    def create() -> str:
        file_name = wanted.file_name
        return datasets.create(
            connection, wanted.name, wanted.kind, options, file_name=file_name, key_id=key
        ).id

    with database.write() as connection:
        if wanted.base is not None:
            options["base"] = _pinned(connection, wanted.base)
        dataset_id, is_new = once.make(connection, asked, create)
        dataset = datasets.get(connection, dataset_id)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/datasets/{dataset_id}"
    return answering.dataset(dataset)


def _pinned(connection: Connection, base: str) -> str:
    """The base with the version that it means now.

    Raises:
        RequestValidationError: there is no such dataset of pictures, or it has not been imported.
    """
    facts = imports.base_facts(connection, base)
    if facts is None or facts.kind != "image":
        why = "is no dataset of pictures that is ready; GET /datasets lists yours"
        raise RequestValidationError([{"loc": ("body", "base"), "msg": why, "type": "value_error"}])
    name = base.partition("@")[0]
    return name if facts.version is None else f"{name}@{facts.version}"


@router.get("", summary="List datasets, newest first")
@needs(Scope.READ)
def list_datasets(
    database: TheDatabase,
    limit: PageSize = 20,
    after: After = None,
    name: DatasetFilter = None,
) -> Page[DatasetVersion]:
    """Versions of datasets; the built-in ones are not among them.

    `name` may also be one version, `name@version`, or an id, as `dataset` of other lists.
    """
    (behind,) = sort_key(after, id_of(PREFIX)) or (None,)
    with database.read() as connection:
        found = datasets.newest(connection, limit + 1, behind, name)
    page = found[:limit]
    return Page(
        data=[answering.dataset(dataset) for dataset in page],
        next=cursor(page[-1].id) if len(found) > limit else None,
    )


@router.get("/{ref}", summary="Look at a dataset", responses=documented(DatasetNotFound))
@needs(Scope.READ)
async def get_dataset(
    ref: DatasetRef,
    database: TheDatabase,
    watcher: TheWatcher,
    key: TheKey,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=MAX_WAIT_SECONDS,
            allow_inf_nan=False,
            description="Answer once it is ready or refused, or after this many seconds.",
        ),
    ] = 0.0,
) -> DatasetVersion:
    """A version with its options, progress, facts, or the reason why it was refused."""
    dataset = await run_in_threadpool(_get, database, ref)
    if not wait:
        return answering.dataset(dataset)
    deadline = get_running_loop().time() + wait
    with watcher.watch(dataset.id, key) as watch:
        while not watch.closed and await watch.changed(deadline - get_running_loop().time()):
            if isinstance(watch.pulse, datasets.Pulse) and watch.pulse.status in SETTLED:
                break
        if watch.dismissed:
            raise Unauthorized
    return answering.dataset(await run_in_threadpool(_get, database, dataset.id))


SETTLED = {DatasetStatus.READY, DatasetStatus.REFUSED}
"""Where an import has ended."""


@router.get(
    "/{ref}/report",
    summary="What was found in a dataset",
    responses=documented(DatasetNotFound, DatasetNotReady),
)
@needs(Scope.READ)
def report(ref: DatasetRef, database: TheDatabase) -> dict[str, Any]:
    """Counts of each class and part, what was left out and why, duplicates, examples."""
    with database.read() as connection:
        return datasets.report(connection, ref)


@router.post(
    "/{ref}/retry",
    status_code=202,
    summary="Import a refused dataset again",
    responses=documented(DatasetNotFound, NotAwaited),
)
@needs(Scope.WRITE)
def retry(ref: DatasetRef, database: TheDatabase) -> DatasetVersion:
    """Queues the import again, where what stood in its way has been mended."""
    with database.write() as connection:
        return answering.dataset(datasets.retry(connection, ref))


@router.delete(
    "/{ref}",
    status_code=204,
    summary="Delete a dataset",
    responses=documented(DatasetNotFound, DatasetInUse),
)
@needs(Scope.ADMIN)
def delete(
    ref: DatasetRef, database: TheDatabase, objects: TheObjects, uploads: TheUploads
) -> None:
    """Deletes a version and its bytes. Models that were trained on it stay.

    A version on which a job is to train, or to which another adds as its `base`, is kept.
    """
    with database.write() as connection:
        dataset = datasets.remove(connection, ref)
    # What cannot be removed now, a worker sweeps away later: the dataset is deleted all the same.
    with suppress(OSError):
        uploads.abandon(dataset.id)
    if dataset.content_sha256 is not None:
        with database.write() as connection:  # nobody names it anew meanwhile
            object_names.hold(connection, dataset.content_sha256)
            if not object_names.is_named(connection, dataset.content_sha256):
                with suppress(ObjectsUnavailable, OSError):
                    objects.discard(dataset.content_sha256)


def _get(database: Database, ref: str) -> datasets.Dataset:
    with database.read() as connection:
        return datasets.get(connection, ref)
