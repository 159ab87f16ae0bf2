"""The file of a dataset, fetched: from a folder, or passed on from a bucket as it comes."""

from base64 import b64encode
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from app.api.parameters import BYTES, DatasetRef
from app.api.problem_kinds import documented
from app.api.problems import UPLOAD_OFFSET
from app.api.routes import Route, needs
from app.api.state import TheDatabase, TheObjects, TheUploads
from app.store import datasets
from app.store.errors import DatasetNotFound, ObjectMissing
from app.store.keys import Scope
from app.store.object_errors import ObjectsUnavailable
from app.store.objects import pieces

router = APIRouter(prefix="/datasets/{ref}/content", tags=["datasets"], route_class=Route)

BINARY = "application/octet-stream"


class WholeFile(FileResponse):
    """A file without the ranges of Starlette's, whose errors would be plain text."""

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        headers = [each for each in scope["headers"] if each[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


@router.get(
    "",
    summary="Fetch the file of a dataset, or ask how far its upload is",
    response_class=Response,
    responses={
        200: {"description": "The very bytes that were sent"} | BYTES,
        204: {"description": "It is not whole; `Upload-Offset` says how many bytes have arrived"},
        **documented(DatasetNotFound, ObjectMissing, ObjectsUnavailable),
    },
)
@needs(Scope.READ)
def fetch(
    ref: DatasetRef, database: TheDatabase, objects: TheObjects, uploads: TheUploads
) -> Response:
    """The file as it was sent; `HEAD` says its length and `Repr-Digest` without the bytes."""
    with database.read() as connection:
        dataset = datasets.get(connection, ref)
    digest = dataset.content_sha256
    if digest is None:
        received = uploads.received(dataset.id)
        headers = {UPLOAD_OFFSET: str(received), "Upload-Complete": "?0"}
        return Response(status_code=204, headers=headers | {"Cache-Control": "no-store"})
    path = objects.path(digest)
    if not objects.has(digest):
        raise ObjectMissing(dataset.id)
    encoded = b64encode(bytes.fromhex(digest)).decode()
    name = quote(dataset.file_name or dataset.id, safe="")
    headers = {
        "Accept-Ranges": "none",
        "ETag": f'"{digest}"',
        "Repr-Digest": f"sha-256=:{encoded}:",
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
    }
    if path is not None:
        return WholeFile(path, media_type=BINARY, headers=headers)
    headers["Content-Length"] = str(dataset.content_bytes)
    return StreamingResponse(pieces(objects, digest), media_type=BINARY, headers=headers)
