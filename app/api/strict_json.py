"""Requests with a JSON body: of no other type, read strictly, and not lost on their way."""

from typing import Any

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from app import json_text
from app.api.body import read_body
from app.api.headers import header
from app.api.problem_kinds import InvalidBody

INLINE_BYTES = 64 * 1024
"""Larger bodies are parsed in a thread: a mebibyte takes some 50 ms."""


class StrictRequest(Request):
    """A request whose JSON body is read strictly; no body at all counts as no body."""

    async def body(self) -> bytes:
        """The whole body, which is JSON or empty.

        Raises:
            HTTPException: it is larger than the limit (413), or of another type (415).
            InvalidBody: it is empty, and was announced.
        """
        if not hasattr(self, "_body"):
            self._body = await read_body(self)
            if self._body:
                expect_json(self)
            else:
                expect_nothing(self)
        return self._body

    async def json(self) -> Any:
        """The body's value.

        Raises:
            InvalidBody: it is not JSON, or not by the standard.
        """
        try:
            return await parsed(await self.body())
        except RecursionError as error:
            raise InvalidBody("The body is nested too deeply.") from error
        except ValueError as error:
            raise InvalidBody(f"The body is not valid JSON: {error}.") from error


async def parsed(text: bytes) -> Any:
    """The value of a JSON text, which is read in a thread where it is long.

    Raises:
        ValueError, RecursionError: as `json_text.parse`.
    """
    if len(text) > INLINE_BYTES:
        return await run_in_threadpool(json_text.parse, text)
    return json_text.parse(text)


def is_json(content_type: str) -> bool:
    """Whether a Content-Type says JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def expect_json(request: Request) -> None:
    """Refuses a body of another type: browsers send those across sites without asking."""
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(415, "Send JSON with the header Content-Type: application/json.")


def expect_nothing(request: Request) -> None:
    """Refuses an empty body that the headers announce as a full one.

    `Content-Length: 0` alone is how most clients say that there is none (RFC 9110, 8.6).

    Raises:
        InvalidBody: the body was lost on its way, and defaults would take its place.
    """
    announced = {
        "Content-Length": header(request, b"content-length").strip("0"),
        "Transfer-Encoding": header(request, b"transfer-encoding"),
        "Content-Encoding": header(request, b"content-encoding"),
        "Content-Type": is_json(header(request, b"content-type")),
    }
    if any(announced.values()):
        names = ", ".join(name for name, value in announced.items() if value)
        raise InvalidBody(
            f"The body is empty, but the request announces one ({names}). "
            "Send {} for the defaults, or no body and none of these headers."
        )
