"""Child processes that end with their parent, however it ends: by a signal, SIGKILL or a crash.

Each child has one end of a pipe, the parent the other. The kernel closes the parent's end when the
parent is gone, and the child then stops as after SIGTERM. This needs no cooperation of a dying
parent and works wherever there are pipes; Linux' PR_SET_PDEATHSIG follows a thread, not a process.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

VARIABLE = "TRAIND_LIFELINE"
"""Names the file descriptor of the child's end."""
STOP_SECONDS = 20.0
"""How long a child without a parent may take to stop: a run is given ten to reach a step."""


class Process(subprocess.Popen[bytes]):
    """A child process that ends with this one. `line` is this process's end of the pipe."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
        **options: Any,
    ) -> None:
        """The child inherits the file descriptors `keep`; options are those of `Popen`."""
        self.line, theirs = Pipe()
        with theirs:
            environment = {**(os.environ if env is None else env), VARIABLE: str(theirs.fileno())}
            super().__init__(command, env=environment, pass_fds=(theirs.fileno(), *keep), **options)

    def await_ready(self) -> bool:
        """Waits until the child says that it is ready; False if it ends before."""
        try:
            self.line.recv_bytes()
        except (EOFError, OSError):
            return False
        return True


def stop(processes: Iterable[Process], seconds: float) -> None:
    """Asks processes to stop; those that still run after `seconds` are killed."""
    stopping = list(processes)
    for process in stopping:
        process.terminate()
    deadline = time.monotonic() + seconds
    for process in stopping:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Line:
    """The child's end. Without a parent that holds the other end it does nothing."""

    def __init__(self) -> None:
        descriptor = os.environ.pop(VARIABLE, None)
        self._connection = None
        if descriptor is None:
            return
        os.set_inheritable(int(descriptor), False)
        self._connection = Connection(int(descriptor))
        # A closed terminal sends SIGHUP to parent and children; the parent decides what follows.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        threading.Thread(target=_follow, args=(self._connection,), daemon=True).start()

    def ready(self) -> None:
        """Tells the parent that this process is ready."""
        if self._connection is not None:
            self._connection.send_bytes(b"ready")


def _follow(connection: Connection) -> None:
    """Stops this process, in an orderly way if it can, when the parent's end is closed."""
    try:
        connection.recv_bytes()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)
