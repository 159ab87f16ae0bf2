"""Answers ordinary requests to hot routes without ASGI's messages: a fifth of their time.

A request is answered here if it is a POST over HTTP/1.1 that declares a body of at most
`MOST_BYTES`, while its connection has no earlier request in progress. uvicorn handles all others:
it sends 100 Continue, queues pipelined requests, and waits for clients that read slowly.
"""

import asyncio
import time
from functools import lru_cache
from typing import Any, cast

import httptools
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.api.headers import Header
from app.api.hot_routes import HotRoutes
from app.api.routes import Route
from app.server import Protocol

MOST_BYTES = 2**18
"""Longest body that is collected before the request is answered."""


class DirectProtocol(Protocol):
    """Reads requests from one connection, and answers hot ones itself."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._hot_routes: HotRoutes = self.app.state.hot_routes
        self._most_bytes = min(MOST_BYTES, self.app_state["body_limit"])
        self._route: Route | None = None
        """Route of the request whose body is being collected; None where uvicorn handles it."""
        self._began = 0.0
        self._pieces: list[bytes] = []

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        self._route = self._direct_route()
        if self._route is None:
            super().on_headers_complete()
        else:
            self._began = time.perf_counter()
            self._pieces = []

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        if self._route is None:
            super().on_body(body)
        else:
            self.received += len(body)
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self._route is None:
            super().on_message_complete()
            return
        self.scope["state"]["body"] = b"".join(self._pieces)
        cycle = DirectCycle(keep_alive=self.parser.should_keep_alive())
        self.cycle = cast(RequestResponseCycle, cycle)
        request = Request(cast(Scope, self.scope))
        self.tasks.add(self.loop.create_task(self._answer(cycle, self._route, request)))
        self._route = None

    def _direct_route(self) -> Route | None:
        """The hot route of a request that can be answered here, or None.

        It completes the request's scope.
        """
        parser = self.parser
        can_be_direct = (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and _has_short_body(self.headers, self._most_bytes)
        )
        target = _target(self.url) if can_be_direct else None
        if target is None:
            return None
        scope: Any = self.scope
        scope["method"], scope["app"] = "POST", self.app
        scope["path"], scope["raw_path"], scope["query_string"] = target
        return self._hot_routes.route(scope)

    async def _answer(self, cycle: "DirectCycle", route: Route, request: Request) -> None:
        try:
            response = await self._hot_routes.respond(route, request, self._began)
            if not self.transport.is_closing():  # the client left, or sent an invalid request next
                self._send(cycle, response)
        finally:
            self.tasks.discard(asyncio.current_task())

    def _send(self, cycle: "DirectCycle", response: Response) -> None:
        content = [STATUS_LINE[response.status_code]]
        for name, value in (*self.server_state.default_headers, *response.raw_headers):
            content += name, b": ", value, b"\r\n"
        if not cycle.keep_alive:
            content.append(b"connection: close\r\n")
        content += b"\r\n", bytes(response.body)
        self.transport.write(b"".join(content))
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


class DirectCycle:
    """Stands in for uvicorn's `RequestResponseCycle` while a request is answered directly.

    It has the attributes that uvicorn's protocol and the sweep of slow senders read and set.
    """

    more_body = False
    message_event = asyncio.Event()
    """Shared by all: uvicorn sets it, and nobody waits for it."""

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False


@lru_cache(maxsize=1024)
def _target(url: bytes) -> tuple[str, bytes, bytes] | None:
    """Path as text, path as sent, and query; None if the path has escapes to decode."""
    parsed = httptools.parse_url(url)
    if b"%" in parsed.path:
        return None
    return parsed.path.decode("ascii"), parsed.path, parsed.query or b""


def _has_short_body(headers: list[Header], most_bytes: int) -> bool:
    """Whether the body is neither chunked nor packed, and at most `most_bytes` long."""
    length = b""
    for name, value in headers:
        if name == b"content-length":
            length = value
        elif name in (b"transfer-encoding", b"content-encoding"):
            return False
    return length.isdigit() and len(length) < 10 and int(length) <= most_bytes
