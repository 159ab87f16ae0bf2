"""The file of a dataset: sent in one request or in several, streamed to the disk."""

import re
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, BinaryIO, NamedTuple

from fastapi import APIRouter, Header, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from app.answers.datasets import DatasetVersion, Received
from app.api import answering
from app.api.parameters import BYTES, DatasetRef
from app.api.problem_kinds import InvalidBody, documented
from app.api.problems import UPLOAD_OFFSET
from app.api.routes import Route, needs
from app.api.state import TheDatabase, TheObjects, TheUploads
from app.store import datasets, keys, object_names
from app.store.conflicts import retried
from app.store.database import Database
from app.store.disk import FolderUnwritable
from app.store.errors import (
    DatasetNotFound,
    DigestMismatch,
    NotAwaited,
    QuotaExceeded,
    UploadBusy,
    UploadMisplaced,
)
from app.store.keys import Scope
from app.store.object_errors import ObjectsUnavailable
from app.store.objects import Objects
from app.store.uploads import Uploads

router = APIRouter(prefix="/datasets/{ref}/content", tags=["datasets"], route_class=Route)

PIECE = 2**20
"""Bytes that are written together: each write is handed to a thread."""
NAMING_ATTEMPTS = 3
RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):(;.*)?", re.IGNORECASE)
OTHER = re.compile(r"(?!sha-?256(?![a-z0-9_.*-]))[a-z*][a-z0-9_.*-]*=.+", re.IGNORECASE)
"""A digest by another algorithm. What names none, such as bare hexadecimal, is no digest."""
CONTENT_DIGEST, REPR_DIGEST = "Content-Digest", "Repr-Digest"

Digest = Annotated[str, Header(description="`sha-256=:…:` (RFC 9530), checked if it is there.")]


class Part(NamedTuple):
    """What a request brings of a file, in bytes; None where it does not say it."""

    start: int
    size: int | None
    total: int | None


@router.put(
    "",
    status_code=202,
    summary="Send the file of a dataset",
    response_model=DatasetVersion,
    openapi_extra={"requestBody": {"required": True, **BYTES}},
    responses={
        200: {"model": Received, "description": "A part has arrived; more is to come"},
        202: {"description": "The file is whole, and waits for its import"},
        **documented(
            411,
            413,
            415,
            DatasetNotFound,
            NotAwaited,
            UploadBusy,
            UploadMisplaced,
            DigestMismatch,
            QuotaExceeded,
            InvalidBody,
            ObjectsUnavailable,
            FolderUnwritable,
        ),
    },
)
@needs(Scope.WRITE)
async def send(
    *,
    ref: DatasetRef,
    request: Request,
    database: TheDatabase,
    objects: TheObjects,
    uploads: TheUploads,
    content_range: Annotated[
        str | None, Header(description="`bytes 0-1048575/48213377`: this is a part of the file.")
    ] = None,
    content_digest: Digest = "",
    repr_digest: Annotated[
        str, Header(description="The same of the whole file, whatever its parts.")
    ] = "",
) -> Response:
    """The file as the raw body: zip, tar, Parquet, npz. What has arrived of a broken upload stays.

    `HEAD` says in `Upload-Offset` where the next part begins. A whole file without `Content-Range`
    begins anew.
    """
    asked_at = time.time()
    wanted = _wanted(REPR_DIGEST, repr_digest)
    wanted_of_part = _wanted(CONTENT_DIGEST, content_digest)
    part = _part(request, content_range)
    limit: int = request.state.upload_limit
    _check_size(part.total or 0, limit)
    dataset = await run_in_threadpool(_awaited, database, uploads, ref, part.total)
    with uploads.receiving(dataset.id, part.start, asked_at) as file:
        received = await _write(_pieces(request), file, part, limit, wanted_of_part)
        if not received:
            raise InvalidBody("The file is empty, or was lost on its way.")
        if part.total is not None and received < part.total:
            return JSONResponse({"received": received}, 200, {UPLOAD_OFFSET: str(received)})
        whole = await run_in_threadpool(
            partial(_finish, dataset=dataset, size=received, wanted=wanted),
            database,
            objects,
            uploads,
        )
    return Response(whole.model_dump_json(), 202, media_type="application/json")


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of about `PIECE` bytes. What came before a break comes, too."""
    held = bytearray()
    try:
        async for chunk in request.stream():
            held += chunk
            if len(held) >= PIECE:
                yield bytes(held)
                held.clear()
    except ClientDisconnect:
        yield bytes(held)
        raise
    yield bytes(held)


async def _write(
    pieces: AsyncIterator[bytes], file: BinaryIO, part: Part, limit: int, wanted: bytes | None
) -> int:
    """Writes what arrives; returns how many bytes of the file there are now.

    Raises:
        HTTPException: the file gets larger than the limit (413).
        InvalidBody: more arrives than was announced.
        DigestMismatch: it has another digest; it is cut off again.
        StorageFull: the disk has no room.
    """
    received, digest = part.start, sha256()
    async for piece in pieces:
        _check_size(received + len(piece), limit)
        if part.size is not None and received + len(piece) > part.start + part.size:
            raise InvalidBody("More bytes arrived than Content-Range announces.")
        await run_in_threadpool(_append, file, piece, digest)
        received += len(piece)
    if wanted is not None and digest.digest() != wanted:
        await run_in_threadpool(file.truncate, part.start)
        raise DigestMismatch(CONTENT_DIGEST)
    return received


def _append(file: BinaryIO, piece: bytes, digest: Any) -> None:
    digest.update(piece)
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _finish(
    database: Database,
    objects: Objects,
    uploads: Uploads,
    *,
    dataset: datasets.Dataset,
    size: int,
    wanted: bytes | None,
) -> DatasetVersion:
    """Makes an object of the whole file, and queues its import.

    Raises:
        DigestMismatch: it has another digest; nothing of it is kept.
        QuotaExceeded: the key may store no more; nothing of it is kept.
        NotAwaited, DatasetNotFound: it was deleted, or came twice.
        ObjectsUnavailable, StorageFull, FolderUnwritable: the storage does not take it; what has
            arrived stays.
    """
    digest = uploads.digest(dataset.id)
    if wanted is not None and bytes.fromhex(digest) != wanted:
        uploads.abandon(dataset.id)
        raise DigestMismatch(REPR_DIGEST)
    for _ in range(NAMING_ATTEMPTS):
        # Into a bucket it may take minutes: in no transaction.
        objects.put(uploads.path(dataset.id), digest)
        try:
            whole = retried(_name)(database, objects, dataset, digest, size)
        except (QuotaExceeded, DatasetNotFound):
            uploads.abandon(dataset.id)
            raise
        if whole is not None:
            uploads.abandon(dataset.id)
            return whole
    raise ObjectsUnavailable(objects.address, f"{digest} is removed whenever it has been put there")


def _name(
    database: Database, objects: Objects, dataset: datasets.Dataset, digest: str, size: int
) -> DatasetVersion | None:
    """Writes the row that names an object, or returns None: another request has removed it.

    The errors are those of `_finish`.
    """
    with database.write() as connection:
        datasets.check_awaited(connection, dataset.id)
        if dataset.key_id is not None:
            keys.check_stored(connection, dataset.key_id, size)
        object_names.hold(connection, digest)
        # Within the lock: who deletes the last version of these bytes does it before or after.
        if not objects.has(digest):
            return None
        datasets.uploaded(connection, dataset.id, digest, size)
        return answering.dataset(datasets.get(connection, dataset.id))


def _awaited(database: Database, uploads: Uploads, ref: str, size: int | None) -> datasets.Dataset:
    """The dataset, if its key has room for a file of this size beside its unfinished ones.

    Raises:
        HTTPException: the key has a quota, and the size is not known (411).
        QuotaExceeded: there is no room.
        NotAwaited, DatasetNotFound: see `datasets.check_awaited`.
    """
    with database.write() as connection:  # the key's row is locked while it is read
        dataset = datasets.check_awaited(connection, ref)
        if dataset.key_id is None:
            return dataset
        others = set(datasets.awaited_of(connection, dataset.key_id)) - {dataset.id}
        unfinished = sum(uploads.received(each) for each in others)
        limits = keys.check_stored(connection, dataset.key_id, (size or 0) + unfinished)
    if size is None and limits.stored_bytes is not None:
        raise HTTPException(411, "Say how large the file is (Content-Length): its key has a quota.")
    return dataset


def _part(request: Request, content_range: str | None) -> Part:
    """What the headers say of the body.

    Raises:
        HTTPException: the body is packed (415).
        InvalidBody: Content-Range is none, or contradicts Content-Length.
    """
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise HTTPException(415, f"The Content-Encoding {encoding!r} is not read: send the file.")
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else None
    if content_range is None:
        return Part(0, size, size)
    found = RANGE.fullmatch(content_range.strip())
    if found is None:
        raise InvalidBody(
            "Content-Range must look like `bytes 0-1048575/48213377`: first and last byte of the "
            "part, and the size of the whole file."
        )
    first, last, total = map(int, found.groups())
    if not first <= last < total or size not in (None, last - first + 1):
        raise InvalidBody(f"Content-Range {content_range!r} and the body's length do not agree.")
    return Part(first, last - first + 1, total)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise HTTPException(
            413, f"The file may have at most {limit} bytes (TRAIND_MAX_UPLOAD_BYTES)."
        )


def _wanted(name: str, header: str) -> bytes | None:
    """The SHA-256 of a digest header; None where it states none, or only others.

    Raises:
        RequestValidationError: a digest does not have the form of one of SHA-256, and names no
            other algorithm.
    """
    wanted = None
    for member in filter(None, map(str.strip, header.split(","))):
        found = DIGEST.fullmatch(member)
        if found is not None:
            wanted = b64decode(found[1])
        elif OTHER.fullmatch(member) is None:
            why = "must be sha-256=:<base64 of the 32 bytes>: (RFC 9530), or left out"
            error = {"type": "wrong_digest", "loc": ("header", name), "msg": why}
            raise RequestValidationError([error])
    return wanted
