"""Requests of hot routes that are answered without ASGI's messages, over a connection of a test."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.direct import DirectProtocol

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = self.is_paused = False

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.is_closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Application:
    """Answers `/h...` directly when a test lets it, and everything else by ASGI's messages."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(hot_routes=self)
        self.may_answer = asyncio.Event()
        self.direct: list[bytes] = []

    def route(self, scope: Scope) -> Any:
        return "hot" if scope["path"].startswith("/h") else None

    async def respond(self, _route: Any, request: Request, _began: float) -> Response:
        self.direct.append(request.scope["state"]["body"])
        await self.may_answer.wait()
        return Response(b"direct " + self.direct[-1])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await Response(b"asgi " + scope["path"].encode() + b" " + body)(scope, receive, send)


class Connection:
    """One connection to an application."""

    def __init__(self, body_limit: int = 2**30) -> None:
        self.application = Application()
        given: Any = {"lifespan": "off", "interface": "asgi3", "proxy_headers": False}
        config = uvicorn.Config(cast(Any, self.application), **given)
        self.protocol = DirectProtocol(config, ServerState(), {"body_limit": body_limit})
        self.transport = Transport()
        self.protocol.connection_made(self.transport)

    def receive(self, data: bytes) -> None:
        self.protocol.data_received(data)

    async def answers(self) -> list[bytes]:
        """The bodies of the answers so far, once nothing more is being answered."""
        self.application.may_answer.set()
        while self.protocol.tasks or self.protocol.pipeline:
            await asyncio.sleep(0)
        pieces = self.transport.written.split(b"HTTP/1.1 200 OK\r\n")[1:]
        return [piece.partition(b"\r\n\r\n")[2] for piece in pieces]


def post(path: str = "/hot", body: bytes = b"abc", *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize("asked", [(), ("Connection: Upgrade", "Upgrade: h2c")])
async def test_a_request_is_answered_wherever_it_is_cut(asked: tuple[str, ...]) -> None:
    whole = post("/hot", b"abc", *asked)
    for cut in range(1, len(whole)):
        connection = Connection()
        connection.receive(whole[:cut])
        connection.receive(whole[cut:])
        assert await connection.answers() == [b"direct abc"]
        assert b"connection: close" not in connection.transport.written
        assert not connection.transport.is_closed


async def test_requests_that_were_sent_at_once_are_answered_in_their_order() -> None:
    connection = Connection()
    get = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.receive(post(body=b"1") + post(body=b"2") + get + post(body=b"3") + get)
    await asyncio.sleep(0.01)
    assert connection.transport.written == b"", "the first is not answered yet"
    assert connection.transport.is_paused, "no more is read meanwhile"
    answers = await connection.answers()
    assert answers == [b"direct 1", b"asgi /hot 2", b"asgi /slow ", b"asgi /hot 3", b"asgi /slow "]
    assert not connection.transport.is_paused
    connection.receive(post(body=b"4"))
    assert (await connection.answers())[-1] == b"direct 4"


UNUSUAL = [
    post(version="1.0"),
    post("/other"),
    post("/h%6ft"),
    post("/hot", b"abc", "Content-Encoding: gzip"),
    b"POST /hot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /hot HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /hot HTTP/1.1\r\nHost: x\r\n\r\n",
    post("/hot", b"abc", "Expect: 100-continue"),
    post("/hot", bytes(2**18 + 1)),
]


@pytest.mark.parametrize("unusual", UNUSUAL, ids=lambda each: str(each[:60]))
async def test_an_unusual_request_goes_the_ordinary_way(unusual: bytes) -> None:
    connection = Connection()
    connection.receive(unusual)
    (answer,) = await connection.answers()
    assert answer.startswith(b"asgi /")
    assert connection.application.direct == []
    assert (b"100 Continue" in connection.transport.written) == (b"100-continue" in unusual)


async def test_a_body_beyond_the_limit_goes_the_ordinary_way() -> None:
    for body, way in ((b"abc", b"direct abc"), (b"abcd", b"asgi /hot abcd")):
        connection = Connection(body_limit=3)
        connection.receive(post(body=body))
        assert await connection.answers() == [way]


async def test_a_client_that_does_not_read_is_waited_for() -> None:
    connection = Connection()
    connection.application.may_answer.set()
    connection.protocol.pause_writing()
    connection.receive(post())
    await asyncio.sleep(0.01)
    assert connection.transport.written == b""
    connection.protocol.resume_writing()
    assert await connection.answers() == [b"asgi /hot abc"]


async def test_the_connection_ends_where_the_client_asks_for_it() -> None:
    connection = Connection()
    connection.receive(post("/hot", b"abc", "Connection: close"))
    assert await connection.answers() == [b"direct abc"]
    assert b"\r\nconnection: close\r\n" in connection.transport.written
    assert connection.transport.is_closed


async def test_a_server_that_stops_answers_first() -> None:
    connection = Connection()
    connection.receive(post())
    connection.protocol.shutdown()
    assert not connection.transport.is_closed
    assert connection.protocol.tasks, "the server waits for it"
    assert await connection.answers() == [b"direct abc"]
    assert b"\r\nconnection: close\r\n" in connection.transport.written
    assert connection.transport.is_closed


async def test_nobody_is_answered_who_has_gone() -> None:
    connection = Connection()
    connection.receive(post())
    connection.protocol.connection_lost(None)
    assert await connection.answers() == []
    assert not connection.protocol.tasks


async def test_what_is_no_http_behind_a_request_ends_the_connection() -> None:
    connection = Connection()
    connection.receive(post())
    connection.receive(b"nonsense\r\n\r\n")
    assert connection.transport.is_closed
    assert await connection.answers() == []
    assert refusal(connection) == (400, "bad_request")


async def test_only_a_request_that_has_not_come_whole_is_waited_for() -> None:
    """What the sweep of slow senders asks (app/server.py)."""
    connection = Connection()
    whole = post()
    connection.receive(whole[:-1])
    assert connection.protocol.is_receiving
    connection.receive(whole[-1:])
    assert not connection.protocol.is_receiving
    assert connection.protocol.received == 3
    await connection.answers()
    assert not connection.protocol.is_receiving
    connection.receive(whole[:5])
    assert connection.protocol.is_receiving


def refusal(connection: Connection) -> tuple[int, str]:
    head, _, body = connection.transport.written.partition(b"\r\n\r\n")
    fields = {b"content-type: application/problem+json", b"connection: close"}
    assert fields | {b"content-length: %d" % len(body)} <= set(head.split(b"\r\n"))
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    return problem["status"], problem["code"]


@pytest.mark.parametrize("path", ["/h", "/other"])
async def test_a_slow_sender_is_told_why_it_is_cut_off_and_nothing_else(path: str) -> None:
    connection = Connection()
    connection.receive(post(path)[:-1])
    await asyncio.sleep(0)  # the route waits for the body
    connection.protocol.cut_off()
    assert refusal(connection) == (408, "request_timeout")
    while connection.protocol.tasks:
        await asyncio.sleep(0)
    assert refusal(connection) == (408, "request_timeout")
    assert connection.transport.is_closed


async def test_a_slow_sender_whose_answer_has_begun_is_only_cut_off() -> None:
    connection = Connection()
    connection.receive(post("/other")[:-1])
    connection.protocol.cycle.response_started = True
    connection.protocol.cut_off()
    assert (connection.transport.is_closed, connection.transport.written) == (True, b"")
