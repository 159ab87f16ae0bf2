"""A run in a process of this machine, forked from a warm server that has torch loaded.

A new interpreter that imports torch needs seconds to its first step; a fork of a warm one, tens of
milliseconds. The server has no threads and no database, so a fork is safe and carries neither.
"""

import signal
import socket
import struct
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection

from worker.messages import Command, Order, Report, Stop, decode_report, encode

PRELOAD = [
    "worker.training_process",  # torch, and scikit-learn and SciPy for the report
    "torch._dynamo",  # the first optimizer imports it: over a second
    "torch._inductor.config",
    "torch.optim",
    "torch.onnx",
    "torch.onnx._internal.exporter._compat",
    "torch.onnx._internal.exporter._registration",
    "onnxscript",
    "worker.warm",
]
"""What the server from which training processes are forked has loaded."""

STALL_SECONDS = 10
"""How long half a message may wait for its rest: a stopped process is not waited for longer."""

_context = get_context("forkserver")


def warm_up() -> None:
    """Starts the server from which runs are forked; it loads torch while the caller goes on."""
    _context.set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()


class Run:
    """A training process and the pipe to it."""

    def __init__(self, order: Order) -> None:
        self.connection, theirs = _context.Pipe()
        _limit_waiting(self.connection)
        self._process = _context.Process(target=_train, args=(theirs,), name="traind-run")
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does
        self._open = True
        self._say(order)

    @property
    def waitables(self) -> list[Connection | int]:
        """What becomes ready when the run has said something or has died."""
        return [self.connection, self._process.sentinel] if self._open else [self._process.sentinel]

    @property
    def process_id(self) -> int | None:
        """The training process, for the log."""
        return self._process.pid

    def stop(self, reason: str) -> None:
        """Asks the run to stop at its next step boundary."""
        self._say(Stop(reason))

    def kill(self) -> None:
        """Ends the run at once."""
        self._process.kill()

    def reports(self) -> list[Report]:
        """What the run has said since the last call; ends a run that stops within a message."""
        said: list[Report] = []
        try:
            while self._open and self.connection.poll():
                said.append(decode_report(self.connection.recv_bytes()))
        except BlockingIOError:
            self._break_off()
        except (EOFError, OSError):  # the process has closed its end; its sentinel follows
            self._open = False
        return said

    def death(self) -> str | None:
        """How the process ended, in words, or None while it lives or still has things to say."""
        if self._process.is_alive() or (self._open and self.connection.poll()):
            return None
        code = self._process.exitcode or 0
        if code < 0:
            return f"the training process was killed by {signal.Signals(-code).name}"
        return f"the training process ended early with exit code {code}"

    def close(self) -> None:
        """Reaps the process, waiting for its exit, and closes the pipe."""
        self._process.join()
        self._process.close()
        self.connection.close()

    def _say(self, command: Command) -> None:
        try:
            self.connection.send_bytes(encode(command))
        except BlockingIOError:
            self._break_off()
        except OSError:  # it has just died; the supervisor will see it by its sentinel
            self._open = False

    def _break_off(self) -> None:
        """What follows half a message means nothing: the process ends, and its job is resumed."""
        self.kill()
        self._open = False


def _limit_waiting(connection: Connection) -> None:
    """Has reads and writes of a duplex pipe, a pair of sockets, give up (socket(7))."""
    with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as pair:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            pair.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", STALL_SECONDS, 0))


def _train(connection: Connection) -> None:
    """The training process; what it needs is loaded there, and torch not in the supervisor."""
    from worker.training_process import main  # noqa: PLC0415

    main(connection)
