"""The whole service on this machine: an API process and a worker process, started and stopped.

`traind serve`, the demo, the service tests and the benchmarks all run it through here.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from app.settings import Settings

READY_SECONDS = 60.0
"""How long the API may take to answer its first /readyz."""
STOP_SECONDS = 20.0
"""How long a process may take to stop: a run is given ten to reach its step boundary."""
STEADY_SECONDS = 10.0
"""A process that lived this long is started again when it dies; a quicker death is a fault."""


class StartError(Exception):
    """A process of the service did not start, or died at once; its own output says why."""


class Service:
    """The processes of a local service. `port` 0 in the settings is replaced by a free one.

    Their own words go to this process's output, or into `log` where there is one.
    """

    def __init__(self, settings: Settings, log: Path | None = None) -> None:
        port = settings.port or _free_port(settings.host)
        self.settings = settings.model_copy(update={"port": port})
        self.url = self.settings.url
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self._log = log

    def start(self, *modules: str) -> None:
        """Starts the named modules, `app` (the API) and `worker`; returns when the API is ready.

        Raises:
            StartError: a process ended, or the API did not become ready.
        """
        for module in modules:
            with self._output() as output:
                self.processes[module] = subprocess.Popen(
                    [sys.executable, "-m", module],
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT if output else None,
                )
            self._started_at[module] = time.monotonic()
        if "app" in modules:
            self._await_ready()

    def stop(self) -> None:
        """Asks every process to stop, and kills what does not."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def keep_up(self) -> None:
        """Starts again what has died.

        Raises:
            StartError: it had only just been started.
        """
        for module, process in list(self.processes.items()):
            code = process.poll()
            if code is None:
                continue
            if time.monotonic() - self._started_at[module] < STEADY_SECONDS:
                raise StartError(f"`python -m {module}` ended with code {code}; {self._told}.")
            self.start(module)

    @property
    def _told(self) -> str:
        return f"{self._log} says why" if self._log else "its output above says why"

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            code = self.processes["app"].poll()
            if code is not None:
                raise StartError(f"The API ended with exit code {code}; {self._told}.")
            try:
                with urlopen(f"{self.url}/readyz", timeout=5):  # noqa: S310
                    return
            except (URLError, OSError):
                time.sleep(0.02)
        raise StartError(f"The API was not ready within {READY_SECONDS:.0f} s.")

    def _output(self) -> AbstractContextManager[IO[bytes] | None]:
        if self._log is None:
            return nullcontext()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        return self._log.open("ab")

    def _environment(self) -> dict[str, str]:
        settings = self.settings.model_dump(mode="json", exclude_none=True)
        return os.environ | {f"TRAIND_{name.upper()}": str(settings[name]) for name in settings}


@contextmanager
def running(settings: Settings, log: Path | None = None) -> Iterator[Service]:
    """The service, up while the block runs."""
    service = Service(settings, log)
    try:
        service.start("app", "worker")
        yield service
    finally:
        service.stop()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
