"""A connection that breaks when a test says so: the service got a request, its answer is lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE = 2**16


class Breaking:
    """A proxy on the loopback. The next `breaks` answers of the service never reach the client."""

    def __init__(self, port: int) -> None:
        self.breaks = 0
        self.broken = 0
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            service = socket.create_connection(("127.0.0.1", self._port))
            for source, sink in ((client, service), (service, client)):
                arguments = (source, sink, sink is client)
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if is_answer and self.breaks:
                    self.breaks -= 1
                    self.broken += 1
                    break
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def breaking(port: int) -> Iterator[Breaking]:
    """The proxy before the service at this port, while the block runs."""
    proxy = Breaking(port)
    try:
        yield proxy
    finally:
        proxy.close()
