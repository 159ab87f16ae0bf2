"""An S3 server for tests, from the wheel `nanio`: it checks signatures, and keeps plain files.

A proxy stands before it that loses, delays and damages answers when a test says so.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from app import address, lifeline
from tests.waiting import HANG_SECONDS

KEY, SECRET = "traind-tests", "a-secret-of-the-tests"
BUCKET = "traind"
PIECE = 2**16


class Server:
    """A running server with an empty bucket, on a port of the loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = address.free_port("127.0.0.1")
        (folder / BUCKET).mkdir(parents=True)
        self.start()

    def start(self) -> None:
        """Starts it, on the port that it had."""
        port = str(self.port)
        command = ["nanio", "serve", "--host", "127.0.0.1", "--port", port, "--no-access-log"]
        self._process = lifeline.Process(
            [sys.executable, "-P", "-m", *command, "--data-dir", str(self._folder)],
            env=os.environ | {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + HANG_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.01)

    def stop(self) -> None:
        """Stops it; what is in the bucket stays."""
        self._process.kill()
        self._process.wait()

    def file(self, prefix: str, digest: str) -> Path:
        """Where the server keeps an object."""
        return self._folder / BUCKET / prefix / "sha256" / digest[:2] / digest

    def names(self, prefix: str) -> set[str]:
        """The digests under a prefix."""
        return {path.name for path in (self._folder / BUCKET / prefix).glob("sha256/*/*")}


class Proxy:
    """A proxy on the loopback, in which the faults of a network happen."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cuts: list[int] = []
        """The next answers are cut off after so many bytes."""
        self.flips: list[int] = []
        """One byte at this place of the next answers is another one."""
        self.answers_503 = 0
        """So many requests are answered 503, and not passed on."""
        self.delay = 0.0
        """Seconds before each piece of an answer."""
        self.holds_puts = False
        """Answers to a PUT are never passed on: the server has done what was asked, unheard."""
        self.requests = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)  # which wakes the thread that accepts
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Each connection carries one request: the answer to it ends the connection."""
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := client.recv(PIECE)):
                    return
                head += piece
            self.requests += 1
            if self.answers_503:
                self.answers_503 -= 1
                client.sendall(
                    b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
                return
            is_held = self.holds_puts and head.startswith(b"PUT")
            is_get = head.startswith(b"GET") and b"list-type" not in head
            line, rest = head.split(b"\r\n", 1)
            with socket.create_connection(("127.0.0.1", self.port)) as service:
                service.sendall(line + b"\r\nconnection: close\r\n" + rest)
                up = threading.Thread(target=_pass_on, args=(client, service), daemon=True)
                up.start()
                if is_held:
                    up.join()  # until the client has gone
                    return
                self._answer(service, client, is_get=is_get)

    def _answer(self, service: socket.socket, client: socket.socket, *, is_get: bool) -> None:
        cut = self.cuts.pop(0) if is_get and self.cuts else None
        flip = self.flips.pop(0) if is_get and self.flips else None
        sent = 0
        while piece := service.recv(PIECE):
            time.sleep(self.delay)
            if flip is not None and sent <= flip < sent + len(piece):
                changed = bytearray(piece)
                changed[flip - sent] ^= 1
                piece = bytes(changed)
            if cut is not None and sent + len(piece) > cut:
                client.sendall(piece[: cut - sent])
                break
            client.sendall(piece)
            sent += len(piece)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)


def variables(url: str, secret: str = SECRET) -> dict[str, str]:
    """The environment of a process that uses the server at this address."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
    }


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this process; each takes a prefix of its own."""
    yield from started(tmp_path_factory.mktemp("s3"))


def started(folder: Path) -> Iterator[Server]:
    """A server while a fixture lives; skips the test where there can be none."""
    for module in ("obstore", "nanio"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: no object storage to test with")
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def proxied(server: Server) -> Iterator[Proxy]:
    """A proxy before the server, while the block runs."""
    proxy = Proxy(server.port)
    try:
        yield proxy
    finally:
        with suppress(OSError):  # a test has closed it
            proxy.close()


@pytest.fixture
def proxy(s3: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the server, which this process and those that it starts find as their S3."""
    with proxied(s3) as proxy:
        for name, value in variables(proxy.url).items():
            monkeypatch.setenv(name, value)
        yield proxy
