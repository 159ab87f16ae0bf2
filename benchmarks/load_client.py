"""Many connections, each with one request in flight: requests a second and latencies.

    python -m benchmarks.load_client URL CONNECTIONS SECONDS CONTENT_TYPE [HEADER: VALUE ...] < BODY

Written on asyncio's protocols, because a client library's own work would be what is measured.
It prints a JSON document; `errors` counts every answer that is not 200.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

WARM_UP = 0.5
"""Seconds before anything is counted."""


@dataclass
class Load:
    """One run."""

    request: bytes
    counting_from: float
    end: float
    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    first: bytes = b""


class Connection(asyncio.Protocol):
    """Sends the request again as soon as it is answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._missing = -1
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._received += data
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._received[:end].lower()
            at = head.index(b"content-length:") + 15
            length = int(head[at:].partition(b"\r\n")[0])
            self._ok = head.startswith(b"http/1.1 200")
            self._missing = length - (len(self._received) - end - 4)
        else:
            self._missing -= len(data)
            if not self._load.first:
                self._received += data
        if self._missing == 0:
            self._answered()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self._load.errors += 1
            self.done.set_result(None)

    def _send(self) -> None:
        self._received, self._missing = b"", -1
        self._sent = time.perf_counter()
        self._transport.write(self._load.request)

    def _answered(self) -> None:
        now = time.perf_counter()
        load = self._load
        load.first = load.first or self._received
        if self._sent >= load.counting_from:
            load.latencies.append(now - self._sent)
            load.errors += not self._ok
        if now < load.end:
            self._send()
        else:
            self.done.set_result(None)
            self._transport.close()


async def run(url: str, connections: int, seconds: float, headers: list[str], body: bytes) -> Load:
    """Keeps the connections busy for so long."""
    to = urlsplit(url)
    lines = [f"POST {to.path} HTTP/1.1", f"Host: {to.netloc}", f"Content-Length: {len(body)}"]
    began = time.perf_counter() + WARM_UP
    load = Load("\r\n".join([*lines, *headers, "", ""]).encode() + body, began, began + seconds)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(load), to.hostname, to.port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in made))
    return load


def main() -> None:
    """Prints rate, latencies in ms, errors and the first answer's body."""
    url, connections, seconds, kind, *more = sys.argv[1:]
    headers = [f"Content-Type: {kind}", *more]
    body = sys.stdin.buffer.read()
    load = uvloop.run(run(url, int(connections), float(seconds), headers, body))
    ordered = sorted(load.latencies)
    print(
        json.dumps(
            {
                "rate": len(ordered) / float(seconds),
                "p50": ordered[len(ordered) // 2] * 1000,
                "p99": ordered[int(len(ordered) * 0.99)] * 1000,
                "errors": load.errors,
                "answer": load.first.partition(b"\r\n\r\n")[2].decode("utf-8", "replace"),
            }
        )
    )


if __name__ == "__main__":
    main()
