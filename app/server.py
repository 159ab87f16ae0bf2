"""uvicorn, with what it lacks for strangers on the network.

Requests that ask for another protocol keep their body, HTTP/1.0 gets no chunks, slow senders are
cut off, and streams end at a stop.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakKeyDictionary

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.descriptors import Descriptors

SWEEP_SECONDS = 2.0
PATIENCE_SECONDS = 8.0
"""How long a request may take to arrive, unless it goes on at `LEAST_BYTES` in this time."""
LEAST_BYTES = 16 * 1024
TOO_SLOW = (
    f"The rest of the request did not come: less than {LEAST_BYTES} bytes of it arrived within "
    f"{PATIENCE_SECONDS:.0f} s. See to it that all bytes that Content-Length announces are sent, "
    "then try again."
)
UNREADABLE = (
    "This is no request of HTTP/1.1 that can be read: its method is not known, its address is "
    "longer than 64 KiB, or its head is not well-formed; or it is TLS, and http:// would do."
)


class Protocol(HttpToolsProtocol):
    """Reads requests from one connection, and counts the bytes of bodies.

    A client may ask to go on in another protocol: Java's asks for HTTP/2 with `Upgrade: h2c`. None
    is offered, and the request is answered as if it had not asked (RFC 9110, 7.8). httptools takes
    the body of such a request for the first bytes of the other protocol and drops it. The request
    is therefore parsed a second time, without the header.
    """

    received = 0

    def data_received(self, data: bytes) -> None:
        """Bytes have come: a part of a request, or several requests."""
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as asked:
                data = self._head_without_upgrade() + data[asked.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError:
                self.send_400_response(UNREADABLE)
                return
            else:
                return

    def on_headers_complete(self) -> None:
        """A request's head is complete: its answer may begin."""
        if self._is_parsed_again:
            return
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.send = _without_chunks(self.cycle)  # type: ignore[method-assign, assignment]

    def on_message_complete(self) -> None:
        """A request is complete."""
        if not self._is_parsed_again:
            super().on_message_complete()

    @property
    def _is_parsed_again(self) -> bool:
        """Whether httptools will drop the body. (A CONNECT, which asks a proxy, stays one.)"""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            kept = value
            if name == b"connection":
                options = [option.strip() for option in value.split(b",")]
                kept = b", ".join(each for each in options if each.lower() != b"upgrade")
            if name != b"upgrade" and (kept or not value):
                lines.append(b"%b: %b" % (name, kept))
        return b"\r\n".join([*lines, b"", b""])

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        self.received += len(body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP, and ends the connection. uvicorn calls it, too."""
        self._refuse(400, msg)

    def cut_off(self) -> None:
        """Ends the connection of a slow sender; says why, unless an answer has begun."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._refuse(408, TOO_SLOW)
        elif cycle.response_started or self.pipeline:  # the answer would be taken for another's
            self.transport.close()
        else:
            cycle.disconnected = True  # what the route answers now is not sent
            cycle.message_event.set()
            self._refuse(408, TOO_SLOW)

    def _refuse(self, status: int, detail: str) -> None:
        # Here, because a process that only starts others loads this module, and needs none of it.
        from app.api.problem_kinds import HTTP  # noqa: PLC0415
        from app.api.problems import problem  # noqa: PLC0415

        answer = problem(HTTP[status], detail, headers={"Connection": "close"})
        headers = [*self.server_state.default_headers, *answer.raw_headers]
        lines = [b"%b: %b\r\n" % header for header in headers]
        head = b"".join([STATUS_LINE[status], *lines, b"\r\n"])
        self.transport.write(head + bytes(answer.body))
        self.transport.close()

    @property
    def is_receiving(self) -> bool:
        """Whether a request, or the rest of one, is yet to come."""
        cycle = self.cycle
        if cycle is None:
            return True
        if cycle.response_complete:  # the next request has begun, or uvicorn waits for it
            return self.timeout_keep_alive_task is None and not self.pipeline
        return bool(cycle.more_body)


def _without_chunks(cycle: RequestResponseCycle) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Sends an answer whose end is that of the connection: HTTP/1.0 knows no chunks."""
    send = cycle.send

    async def unchunked(message: Any) -> None:
        cycle.chunked_encoding = False
        cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    return unchunked


class Server(uvicorn.Server):
    """Ends open event streams before it waits for requests: they would end with their jobs."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen, and to look for slow senders."""
        await super().startup(sockets)
        self._sweeping = asyncio.create_task(self._sweep())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops, having told every stream to end."""
        self._sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeping
        if watcher := self.lifespan.state.get("watcher"):
            watcher.close()
        await super().shutdown(sockets)

    async def _sweep(self) -> None:
        """Closes connections on which a request does not come on. A timer for each costs more.

        It also looks whether there are descriptors for new connections.
        """
        descriptors = Descriptors()
        seen: WeakKeyDictionary[Protocol, tuple[float, int]] = WeakKeyDictionary()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            descriptors.look(now)
            for connection in list(self.server_state.connections):
                if not isinstance(connection, Protocol):
                    continue
                if not connection.is_receiving:
                    seen.pop(connection, None)
                    continue
                since, received = seen.setdefault(connection, (now, connection.received))
                if now - since < PATIENCE_SECONDS:
                    continue
                if connection.received - received >= LEAST_BYTES:
                    seen[connection] = (now, connection.received)
                    continue
                connection.cut_off()
