"""Answers the usual request of a hot route without ASGI's messages: they take as long as the rest.

Usual is a POST in HTTP/1.1 with a short body of known length, on a connection where no other
request waits. All others go uvicorn's way, which says 100 Continue, keeps the order of requests
that were sent at once, and waits for slow readers.
"""

import asyncio
import time
from functools import lru_cache
from typing import Any, cast

import httptools
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.api.headers import Header
from app.api.hot_routes import HotRoutes
from app.api.routes import Route
from app.server import Protocol

MOST_BYTES = 2**18
"""Longest body that is kept until it is whole; a longer one is read piece by piece."""


class DirectProtocol(Protocol):
    """Reads requests from one connection, and answers hot ones itself."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._hot: HotRoutes = self.app.state.hot_routes
        self._unheard = asyncio.Event()
        self._route: Route | None = None
        self._began = 0.0
        self._pieces: list[bytes] = []
        self._most = min(MOST_BYTES, self.app_state["body_limit"])

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        self._route = self._usual_route()
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
        exchange = Exchange(self._unheard, keep_alive=self.parser.should_keep_alive())
        self.cycle = exchange  # type: ignore[assignment]
        request = Request(cast(Scope, self.scope))
        task = self.loop.create_task(self._answer(exchange, self._route, request))
        self.tasks.add(task)
        self._route = None

    def _usual_route(self) -> Route | None:
        """The hot route of a usual request, whose scope is complete then."""
        parser = self.parser
        is_usual = (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and _is_whole(self.headers, self._most)
        )
        target = _target(self.url) if is_usual else None
        if target is None:
            return None
        scope: Any = self.scope
        scope["method"], scope["app"] = "POST", self.app
        scope["path"], scope["raw_path"], scope["query_string"] = target
        return self._hot.route(scope)

    async def _answer(self, exchange: "Exchange", route: Route, request: Request) -> None:
        try:
            response = await self._hot.respond(route, request, self._began)
            if not self.transport.is_closing():  # the client has gone, or sent what is no HTTP
                self._send(exchange, response)
        finally:
            self.tasks.discard(asyncio.current_task())

    def _send(self, exchange: "Exchange", response: Response) -> None:
        content = [STATUS_LINE[response.status_code]]
        for name, value in (*self.server_state.default_headers, *response.raw_headers):
            content += name, b": ", value, b"\r\n"
        content += (
            b"\r\n" if exchange.keep_alive else b"connection: close\r\n\r\n",
            bytes(response.body),
        )
        self.transport.write(b"".join(content))
        exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


class Exchange:
    """A request that is being answered: what uvicorn asks of its own `RequestResponseCycle`."""

    more_body = False

    def __init__(self, message_event: asyncio.Event, *, keep_alive: bool) -> None:
        self.message_event = message_event
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False


@lru_cache(maxsize=1024)
def _target(url: bytes) -> tuple[str, bytes, bytes] | None:
    """Path, the same as it was sent, and query; None if the path has to be decoded."""
    parsed = httptools.parse_url(url)
    if b"%" in parsed.path:
        return None
    return parsed.path.decode("ascii"), parsed.path, parsed.query or b""


def _is_whole(headers: list[Header], most: int) -> bool:
    """Whether a body comes as it is, with a length of at most `most` bytes."""
    length = b""
    for name, value in headers:
        if name == b"content-length":
            length = value
        elif name in (b"transfer-encoding", b"content-encoding"):
            return False
    return length.isdigit() and len(length) < 10 and int(length) <= most
