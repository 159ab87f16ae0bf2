"""The gate: tells who asks, gives every answer its headers, and renders what is refused.

What a route needs is asked at the route (routes.py), for every way that leads to it.
"""

import structlog
from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import headers, problems
from app.api.auth import Guard
from app.api.telemetry import Telemetry

log: structlog.stdlib.BoundLogger = structlog.get_logger("traind.api")


class Gate:
    """Wraps the application: nothing reaches it that has not been identified."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = headers.request_id(scope)
        if scope["method"] == "HEAD":  # what GET answers, without its body (RFC 9110, 9.3.2)
            scope, send = {**scope, "method": "GET"}, headers.without_body(send)
        if scope["path"].endswith("/"):
            # No redirect: it would lead from https to http behind a proxy, and lose a body.
            scope = {**scope, "path": scope["path"][:-1] or "/"}
        send = headers.secured(send, identity)
        try:
            identify(scope)
        except Exception as error:
            response = refusal(Request(scope), error, identity)
            await response(scope, receive, send)
            self._telemetry.request(scope["method"], "refused", response.status_code, "", 0.0)
            return
        scope["state"]["request_id"] = identity
        structlog.contextvars.bind_contextvars(request_id=identity)
        await self._app(scope, receive, send)


def identify(scope: Scope) -> None:
    """Notes the request's key, or None, in its state.

    Raises:
        Unauthorized, TooManyRequests: see `Guard.identify`.
    """
    guard: Guard = scope["state"]["guard"]
    scope["state"]["key"] = guard.identify(scope)


def refusal(request: Request, error: Exception, identity: str) -> Response:
    """The problem document of any error; a fault of our own stands in the log with the same id."""
    response = problems.answer(request, error)
    if response.status_code == 500:
        log.error("failed", path=request.url.path, request_id=identity, exc_info=error)
    return response
