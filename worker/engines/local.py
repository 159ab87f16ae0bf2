"""A run in a process of this machine, forked from a warm server that has torch loaded.

A new interpreter that imports torch needs seconds to its first step; a fork of a warm one, tens of
milliseconds. The server has no threads and no database, so a fork is safe and carries neither.
"""

import logging
import signal
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection

import msgspec

from app.codes import StopReason
from worker import capacity
from worker.capacity import CPU, Capacity
from worker.engines import CannotStart
from worker.messages import Command, Order, Report, Stop, decode_report, encode

log = logging.getLogger("traind.worker")

PRELOAD = [
    "worker.cold",
    "worker.training_process",  # torch, and scikit-learn and SciPy for the report
    "sklearn.datasets",  # a first job decodes its dataset
    "sklearn.model_selection",
    "worker.warm",
]
"""What the server from which training processes are forked has loaded."""

DEVICE_SECONDS = 60.0
"""How long a training process may look for a GPU."""
STALL_SECONDS = 10
"""How long the supervisor waits for the rest of a message before it ends the run."""

_context = get_context("forkserver")


class LocalEngine:
    """Forks training processes from one server, which has loaded `preload`.

    `main` is what they do with their end of the pipe, `tell` what the first one says on it.
    """

    def __init__(
        self,
        preload: Sequence[str] = PRELOAD,
        main: Callable[[Connection], None] | None = None,
        tell: Callable[[Connection], None] = capacity.tell,
    ) -> None:
        self._preload = list(preload)
        self._main = main or _train
        self._tell = tell
        self.capacity = CPU
        self._ready = threading.Event()
        self._failure: str | None = None

    def warm_up(self) -> None:
        """Starts the server from which runs are forked; it loads torch while the caller goes on."""
        _context.set_forkserver_preload(self._preload)
        threading.Thread(target=self._fork_once, daemon=True).start()

    def is_ready(self) -> bool:
        """Whether the server has loaded what runs need.

        Raises:
            CannotStart: it could not be started.
        """
        if self._failure is not None:
            raise CannotStart(self._failure)
        return self._ready.is_set()

    def start(self, order: Order) -> "LocalRun":
        """Forks a training process and sends it the order.

        Raises:
            CannotStart: the system refuses the process or its pipe, or the order cannot be encoded.
        """
        try:
            return LocalRun(encode(order), self._main)
        except UnicodeEncodeError as error:
            unreadable = f"the folder {error.object!r} has a name that is not valid UTF-8"
            raise CannotStart(unreadable) from error
        except (OSError, EOFError) as error:
            reason = str(error) or "the server that training processes are forked from has ended"
            raise CannotStart(reason) from error

    def _fork_once(self) -> None:
        """The server answers once it has loaded everything: its first fork says what it found."""
        try:
            forkserver.ensure_running()
            self.capacity = _ask(self._tell)
        except (OSError, EOFError) as error:
            self._failure = str(error) or "it ended while it loaded torch"
        else:
            self._ready.set()


class LocalRun:
    """A training process and the pipe to it."""

    def __init__(self, order: bytes, main: Callable[[Connection], None]) -> None:
        self.connection, theirs = _context.Pipe()
        try:
            _limit_waiting(self.connection)
            self._process = _context.Process(target=main, args=(theirs,), name="traind-run")
            self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()  # so that the pipe ends when the process does
        self._open = True
        self._send(order)

    @property
    def waitables(self) -> list[Connection | int]:
        """What becomes ready when the run has reported or died."""
        return [self.connection, self._process.sentinel] if self._open else [self._process.sentinel]

    def stop(self, reason: StopReason) -> None:
        """Asks the run to stop at its next step boundary."""
        command: Command = Stop(reason)
        self._send(encode(command))

    def kill(self) -> None:
        """Ends the run at once."""
        self._process.kill()

    def reports(self) -> list[Report]:
        """What the run has reported since the last call; ends one whose message is broken."""
        reported: list[Report] = []
        try:
            while self._open and self.connection.poll():
                reported.append(decode_report(self.connection.recv_bytes()))
        except (BlockingIOError, msgspec.DecodeError):
            self._break_off()
        except (EOFError, OSError):  # the process has closed its end; its sentinel follows
            self._open = False
        return reported

    def death(self) -> str | None:
        """How the process ended, in words, or None while it lives or has reports to be read."""
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

    def _send(self, command: bytes) -> None:
        try:
            self.connection.send_bytes(command)
        except BlockingIOError:
            self._break_off()
        except OSError:  # it has just died; the supervisor will see it by its sentinel
            self._open = False

    def _break_off(self) -> None:
        """After half a message nothing more can be read: the process ends, its job is resumed."""
        self.kill()
        self._open = False


def _limit_waiting(connection: Connection) -> None:
    """Has reads and writes of a duplex pipe, a pair of sockets, give up (socket(7))."""
    with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as pair:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            pair.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", STALL_SECONDS, 0))


def _ask(tell: Callable[[Connection], None]) -> Capacity:
    """What a training process finds; nothing but the processor where it does not say."""
    ours, theirs = _context.Pipe(duplex=False)
    with ours:
        with theirs:  # so that the pipe ends when the process does
            asked = _context.Process(target=tell, args=(theirs,), daemon=True)
            asked.start()
        if not ours.poll(DEVICE_SECONDS):  # a driver that hangs
            asked.kill()
        try:
            found = Capacity(*ours.recv())
        except EOFError:
            log.warning("the training process did not say which device it finds; taken as none")
            found = CPU
        asked.join()
        return found


def _train(connection: Connection) -> None:
    """The training process; what it needs is loaded there, and torch not in the supervisor."""
    from worker.training_process import main  # noqa: PLC0415

    main(connection)
