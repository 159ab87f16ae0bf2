"""uvicorn, with two things that it lacks: streams end at a stop, and slow senders are cut off."""

import asyncio
import contextlib
import socket
from weakref import WeakKeyDictionary

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SWEEP_SECONDS = 2.0
PATIENCE_SECONDS = 8.0
"""How long a request may take to arrive, unless it goes on at `LEAST_BYTES` in this time."""
LEAST_BYTES = 16 * 1024
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """Counts a body's bytes, so that a slow one can be told from a large one."""

    received = 0

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        self.received += len(body)
        super().on_body(body)

    @property
    def is_receiving(self) -> bool:
        """Whether a request, or the rest of one, is yet to come."""
        cycle = self.cycle
        if cycle is None:
            return True
        if cycle.response_complete:  # the next request has begun, or uvicorn waits for it
            return self.timeout_keep_alive_task is None and not self.pipeline
        return bool(cycle.more_body)


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
        """Closes connections on which a request does not come on. A timer for each costs more."""
        seen: WeakKeyDictionary[Protocol, tuple[float, int]] = WeakKeyDictionary()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
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
                if connection.cycle is None or connection.cycle.response_complete:
                    connection.transport.write(TOO_SLOW)
                connection.transport.close()
