"""A server that webhooks are sent to: it keeps every request, and answers as the test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMhISE="


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """The event, its signature and time checked by the library."""
        event: dict[str, Any] = Webhook(SECRET).verify(self.body, self.headers)
        return event


Answer = Callable[[Received], tuple[int, dict[str, str]]]


class Receiver:
    """What has come to it. `answer` gives status and headers of the next answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received: list[Received] = []
        self.answer: Answer = lambda _: (204, {})
        self.is_answering = False

    @property
    def types(self) -> list[str]:
        return [str(each.event["type"]) for each in self.received]


@contextmanager
def receiving(port: int = 0, answer: Answer | None = None) -> Iterator[Receiver]:
    """A server on this port of the loopback, or on a free one, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            came = Received(self.path, headers, self.rfile.read(length))
            receiver.is_answering = True
            receiver.received.append(came)
            status, answered = receiver.answer(came)
            receiver.is_answering = False
            self.send_response(status)
            for name, value in answered.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False  # a test may leave a request without an answer

    server = Server(("127.0.0.1", port), Handler)
    receiver = Receiver(server.server_address[1])
    if answer is not None:
        receiver.answer = answer
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def allow(file: Path, **ports: int) -> Path:
    """Writes the operator's file: destinations by name, at ports of the loopback."""
    tables = [
        f'[{name}]\nurl = "http://127.0.0.1:{port}/{name}"\nsecret = "{SECRET}"\n'
        for name, port in ports.items()
    ]
    file.write_text("\n".join(tables))
    file.chmod(0o600)
    return file
