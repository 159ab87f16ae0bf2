"""Several API processes on one port: all accept connections from the same listening sockets.

The process that was started only binds the port, starts the others, and starts again what dies; so
no connection waits for a process that is gone. Each has its own models and streams; the database
tells all of them what changes, and rates and metrics are counted together.
"""

import logging
import os
import socket
import sys
import tempfile
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import NoReturn

from prometheus_client.multiprocess import mark_process_dead

from app import address, lifeline
from app.lifeline import Line
from app.settings import Settings

log = logging.getLogger("traind.api")

SOCKETS = "TRAIND_API_SOCKETS"
"""Names the file descriptors of the listening sockets to a process of the API."""
METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which the processes keep their metrics, by prometheus_client's own rules."""
STOP_SECONDS = 10.0
"""How long the processes may take to stop before they are killed."""
PAUSE_SECONDS = 1.0
"""Before a process that has died is started again."""


class DiedAtOnce(Exception):
    """A process ended before it was ready; its own output says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a process of the API ended with exit code {code}")
        self.code = code


def inherited() -> list[socket.socket]:
    """The listening sockets that this process was started with; none if it is the first."""
    numbers = os.environ.pop(SOCKETS, "")
    return [socket.socket(fileno=int(number)) for number in numbers.split(",") if number]


def run(settings: Settings, line: Line) -> NoReturn:
    """Keeps the processes of the API running until this one is told to stop.

    Raises:
        AddressUnavailable: it cannot listen there.
        DiedAtOnce: a process did not start.
    """
    with tempfile.TemporaryDirectory(prefix="traind-api-") as metrics:
        processes = Processes(address.listening(settings.host, settings.port), Path(metrics))
        try:
            processes.start(settings.api_processes)
            line.ready()
            while True:
                processes.keep_up()
        finally:
            processes.stop()


class Processes:
    """The processes that answer."""

    def __init__(self, sockets: list[socket.socket], metrics: Path) -> None:
        self._sockets = sockets
        self._metrics = metrics
        self._running: list[lifeline.Process] = []

    def start(self, count: int) -> None:
        """Starts `count` of them and waits until they answer.

        Raises:
            DiedAtOnce: one ended before.
        """
        for process in [self._started() for _ in range(count)]:
            if not process.await_ready():
                raise DiedAtOnce(process.wait())

    def keep_up(self) -> None:
        """Waits until one has died, and starts another in its place."""
        heard = wait([process.line for process in self._running])
        for process in [each for each in self._running if each.line in heard]:
            if process.await_ready():  # one that was started again
                continue
            self._running.remove(process)
            code = process.wait()
            mark_process_dead(process.pid, str(self._metrics))  # type: ignore[no-untyped-call]
            log.error("a process of the API ended with exit code %d", code)
            time.sleep(PAUSE_SECONDS)
            self._started()

    def stop(self) -> None:
        """Ends every process."""
        lifeline.stop(self._running, STOP_SECONDS)

    def _started(self) -> lifeline.Process:
        numbers = [each.fileno() for each in self._sockets]
        environment = {SOCKETS: ",".join(map(str, numbers)), METRICS: str(self._metrics)}
        process = lifeline.Process(
            [sys.executable, "-P", "-m", "app"], env={**os.environ, **environment}, keep=numbers
        )
        self._running.append(process)
        return process
