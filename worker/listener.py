"""How a process that trains hears its supervisor.

The supervisor holds the other end of the pipe. When that end closes the supervisor is dead, its
lease will run out, and nothing that this process still does can count: it ends at once.
"""

import contextlib
import os
import threading
from multiprocessing.connection import Connection

from app.codes import StopReason
from worker.messages import Order, Stop, decode_command


class Listener:
    """Reads what the supervisor says while the run goes on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        order = decode_command(connection.recv_bytes())
        if not isinstance(order, Order):
            raise TypeError(f"the first command is a {type(order).__name__}, not an order")
        self.order = order
        self._reason: StopReason | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def stop_requested(self) -> StopReason | None:
        """Why the run is to stop, or None."""
        return self._reason

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                command = decode_command(self._connection.recv_bytes())
                if isinstance(command, Stop):
                    self._reason = command.reason
        os._exit(1)
