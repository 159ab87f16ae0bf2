"""Reads a request's body: within the limit, whatever its length and packing."""

import gzip
import io
import zlib

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.api.problem_kinds import InvalidBody

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors and Windows programs begin UTF-8 with it (RFC 8259, 8.1: it may be ignored)."""
GZIP = ("gzip", "x-gzip")


async def read_body(request: Request) -> bytes:
    """The whole body, unpacked where its Content-Encoding is gzip; mostly it comes in one piece.

    Raises:
        HTTPException: it has more bytes than the state's `body_limit`, sent or unpacked (413), or
            another Content-Encoding (415).
        InvalidBody: it is not the gzip that it is said to be.
        ClientDisconnect: the client has gone.
    """
    state = request.scope["state"]
    if "body" in state:  # app/direct.py has collected it
        whole: bytes = state["body"]
        return whole
    limit: int = state["body_limit"]
    encoding = ""
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or int(value[:20]) > limit:
                raise _too_large(limit)
        elif name == b"content-encoding":
            encoding = _expect_gzip(str(value, "latin-1"))
    pieces: list[bytes] = []
    received = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        received += len(piece)
        if received > limit:
            raise _too_large(limit)
        pieces.append(piece)
        more = message.get("more_body", False)
    body = b"".join(pieces)
    return await run_in_threadpool(_unpacked, body, limit) if encoding and body else body


def utf8_text(content: bytes) -> bytes:
    """A text in UTF-8, all of it, without the mark that it may begin with.

    A decoder of JSON that leaves parts for later reads no text in them: they are checked here.

    Raises:
        UnicodeDecodeError: it is not UTF-8. (A ValueError, too.)
    """
    if not content.isascii():
        str(content, "utf-8")
    return content.removeprefix(BYTE_ORDER_MARK)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The body may have at most {limit} bytes (TRAIND_MAX_BODY_BYTES).")


def _expect_gzip(encoding: str) -> str:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return ""
    if encoding not in GZIP:
        raise HTTPException(
            415,
            f"The Content-Encoding {encoding!r} is not read: send gzip, or the body as it is.",
            {"Accept-Encoding": "gzip"},
        )
    return encoding


def _unpacked(body: bytes, limit: int) -> bytes:
    """What a gzip file holds; no more than the limit is ever unpacked."""
    try:
        content = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidBody(f"The body is not the gzip that it is said to be: {error}.") from error
    if len(content) > limit:
        raise _too_large(limit)
    return content
