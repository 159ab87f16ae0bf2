"""Answers the hot routes past the framework: its way to a handler takes longer than a network."""

import re
import time

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.api import headers
from app.api.gate import Gate, identify, refusal
from app.api.routes import Route
from app.api.telemetry import Telemetry

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


class HotRoutes:
    """Answers the POST routes of `routers` itself, and leaves all other requests to the gate.

    They stay ordinary routes, documented as all others. The endpoint of each takes the request and
    nothing else, and what it raises becomes the same problem document.
    """

    def __init__(self, gate: Gate, routers: list[APIRouter], telemetry: Telemetry) -> None:
        self._gate = gate
        self._telemetry = telemetry
        routes = [each for router in routers for each in router.routes if isinstance(each, Route)]
        self._by_path = {route.path: route for route in routes if not route.param_convertors}
        self._patterns: list[tuple[re.Pattern[str], Route]] = [
            (route.path_regex, route) for route in routes if route.param_convertors
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        route = self.route(scope) if is_post else None
        if route is None:
            await self._gate(scope, receive, send)
            return
        try:
            response = await self.respond(route, Request(scope, receive), time.perf_counter())
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    def route(self, scope: Scope) -> Route | None:
        """Finds the hot route of a POST; the parameters of its path are put into the scope."""
        route = self._by_path.get(scope["path"])
        if route is not None:
            return route
        for pattern, route in self._patterns:
            if match := pattern.match(scope["path"]):
                scope["path_params"] = match.groupdict()
                return route
        return None

    async def respond(self, route: Route, request: Request, began: float) -> Response:
        """Answers a POST to a hot route. `began` is the `time.perf_counter` at its head.

        Raises:
            ClientDisconnect: the client has gone.
        """
        scope = request.scope
        state = scope["state"]
        try:
            identify(scope)
            route.check(scope)
            response: Response = await route.endpoint(request)
        except ClientDisconnect:
            raise
        except Exception as error:
            identity = headers.request_id(scope)
            response = refusal(request, error, identity)
            response.raw_headers = headers.completed(response.raw_headers, identity)
        seconds = time.perf_counter() - began
        model = state.get("model", "")
        self._telemetry.request("POST", route.path, response.status_code, model, seconds)
        return response
