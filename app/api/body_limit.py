"""Refuses a body that is too large, by its header or while it streams in."""

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import answer


def advice(limit: int) -> str:
    """What to say of a larger body; `limit` is in bytes."""
    return f"The body may have at most {limit} bytes (TRAIND_MAX_BODY_BYTES)."


class BodyLimit:
    """Wraps an application; nothing beyond `limit` bytes of a body reaches it."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._advice = advice(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value[:20]) > self._limit):
                refused = answer(Request(scope), HTTPException(413, self._advice))
                await refused(scope, receive, send)
                return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, self._advice)
            return message

        await self._app(scope, limited, send)
