"""The way in: asks for a key where one is needed, and calls the hot routes directly.

FastAPI's way to a handler takes longer than a small network.
"""

import re
import time
from typing import cast

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import headers, problems
from app.api.auth import Forbidden, TooManyRequests, Unauthorized
from app.api.body_limit import advice
from app.api.telemetry import Telemetry

log: structlog.stdlib.BoundLogger = structlog.get_logger("traind.api")

NOSNIFF = (b"x-content-type-options", b"nosniff")


class Answer(Response):
    """A 200 with its headers as they are sent; to work them out takes longer than to send them."""

    def __init__(self, body: bytes, media_type: bytes, *others: tuple[bytes, bytes]) -> None:
        self.status_code = 200
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-type", media_type),
            (b"content-length", str(len(body)).encode()),
            NOSNIFF,
            *others,
        ]


async def read_body(request: Request) -> bytes:
    """The whole body, which mostly comes in one piece.

    Raises:
        HTTPException: it is larger than the scope's `body_limit` (413).
        ClientDisconnect: the client has gone.
    """
    limit: int = request.scope["body_limit"]
    announced = header(request, b"content-length")
    if announced and (not announced.isdecimal() or int(announced[:20]) > limit):
        raise HTTPException(413, advice(limit))
    body = b""
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        body = body + piece if body else piece
        if len(body) > limit:
            raise HTTPException(413, advice(limit))
        more = message.get("more_body", False)
    return body


def header(request: Request, name: bytes) -> str:
    """A header, or an empty text; the name in lower case."""
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def media_type(request: Request) -> str:
    """The body's Content-Type in lower case, without parameters."""
    return header(request, b"content-type").partition(";")[0].strip().lower()


class Shortcut:
    """Wraps an application: nothing passes without the guard's leave.

    It answers the POST routes of `routers` itself.

    They stay ordinary routes, documented as all others; each takes the request and nothing else,
    and what it raises becomes the same problem document. `limit` is in bytes of a body.
    """

    def __init__(
        self, app: ASGIApp, routers: list[APIRouter], telemetry: Telemetry, limit: int
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._limit = limit
        routes = [cast(APIRoute, route) for router in routers for route in router.routes]
        self._by_path = {route.path: route for route in routes if not route.param_convertors}
        self._patterns: list[tuple[re.Pattern[str], APIRoute]] = [
            (route.path_regex, route) for route in routes if route.param_convertors
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope["state"]["key"] = scope["state"]["guard"].admit(scope)
        except (Unauthorized, Forbidden, TooManyRequests) as refused:
            response = problems.answer(Request(scope), refused)
            await response(scope, receive, headers.secured(send, headers.request_id(scope)))
            self._telemetry.request(scope["method"], "refused", response.status_code, "", 0.0)
            return
        route = None
        if scope["method"] == "POST":
            route = self._by_path.get(scope["path"]) or self._match(scope)
        if route is None:
            identity = scope["state"]["request_id"] = headers.request_id(scope)
            structlog.contextvars.bind_contextvars(request_id=identity)
            await self._app(scope, receive, headers.secured(send, identity))
            return
        began = time.perf_counter()
        scope["body_limit"] = self._limit
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except ClientDisconnect:
            return
        except Exception as error:
            response = problems.answer(request, error)
            identity = headers.request_id(scope)
            if response.status_code == 500:
                log.exception("failed", path=scope["path"], request_id=identity)
            send = headers.secured(send, identity)
        await response(scope, receive, send)
        self._telemetry.request(
            "POST",
            route.path,
            response.status_code,
            scope["state"].get("model", ""),
            time.perf_counter() - began,
        )

    def _match(self, scope: Scope) -> APIRoute | None:
        for pattern, route in self._patterns:
            if match := pattern.match(scope["path"]):
                scope["path_params"] = match.groupdict()
                return route
        return None
