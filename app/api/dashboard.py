"""The page at `/`: static files, which speak to the routes that every client has."""

import gzip
import mimetypes
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from app.api import headers
from app.api.routes import Route, needs

router = APIRouter(tags=["service"], route_class=Route, include_in_schema=False)

FOLDER = Path(__file__).parents[1] / "dashboard"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src blob:; manifest-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""Scripts and styles come from here alone, and none stands in the page itself."""
TEXTS = {".css", ".html", ".js", ".svg", ".txt"}
"""What becomes smaller by compression."""


class File(NamedTuple):
    """A file of the page as it is sent."""

    content: bytes
    compressed: bytes | None
    """By gzip; None where it would not be smaller."""
    media_type: str
    etag: str


@cache
def page_files() -> dict[str, File]:
    """Every file of the page by its path below the folder. A request can name no other file."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            is_text = path.suffix in TEXTS
            found[path.relative_to(FOLDER).as_posix()] = File(
                content,
                gzip.compress(content, mtime=0) if is_text else None,
                f"{kind}; charset=utf-8" if is_text else kind,
                f'"{sha256(content).hexdigest()[:20]}"',
            )
    return found


@router.get("/")
@needs(None, takes_any_query=True)
def start(request: Request) -> Response:
    """The page."""
    return _sent("index.html", request)


@router.get("/dashboard/{path:path}")
@needs(None, takes_any_query=True)
def file(path: str, request: Request) -> Response:
    """A file that the page loads."""
    return _sent(path, request)


def _sent(path: str, request: Request) -> Response:
    found = page_files().get(path)
    if found is None:
        raise HTTPException(404, "The page has no such file.")
    sent = {
        "ETag": found.etag,
        "Cache-Control": "no-cache",  # asked again each time: an upgrade is seen at once
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": POLICY,
    }
    if headers.header(request, b"if-none-match") == found.etag:
        return Response(status_code=304, headers=sent)
    content = found.content
    if found.compressed and "gzip" in headers.header(request, b"accept-encoding"):
        content = found.compressed
        sent["Content-Encoding"] = "gzip"
    return Response(content, media_type=found.media_type, headers=sent)
