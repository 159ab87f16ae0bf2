"""The whole service on this machine: an API process and a worker process, started and stopped.

`traind serve`, the demo, the service tests and the benchmarks all run it through here.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO

from app import address, lifeline
from app.settings import Settings

log = logging.getLogger("traind.service")

STOP_SECONDS = 20.0
"""How long a process may take to stop: a run is given ten to reach its step boundary."""
STEADY_SECONDS = 10.0
"""A process that lived this long is started again when it dies; a quicker death is a fault."""


class StartError(Exception):
    """A process of the service did not start, or died at once; its own output says why."""


class Service:
    """The processes of a local service. `port` 0 in the settings is replaced by a free one.

    Their names are the modules `app` and `worker`; further workers are `worker-2` and so on. They
    end with this process, however it ends. They write to its output, or into `log` where there is
    one.
    """

    def __init__(self, settings: Settings, log: Path | None = None) -> None:
        port = settings.port or address.free_port(settings.host)
        self.settings = settings.model_copy(update={"port": port})
        self.url = self.settings.url
        self.processes: dict[str, lifeline.Process] = {}
        self._started_at: dict[str, float] = {}
        self._log = log

    def start(self, *names: str) -> None:
        """Starts these processes, `app` (the API) and workers; returns when the API is ready.

        Raises:
            StartError: the API ended before it was ready.
        """
        for name in names:
            with self._output() as output:
                # -P: no module of the working folder
                self.processes[name] = lifeline.Process(
                    [sys.executable, "-P", "-m", _module(name)],
                    env=self.settings.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT if output else None,
                )
            self._started_at[name] = time.monotonic()
        if "app" in names and not self.processes["app"].await_ready():
            code = self.processes["app"].wait()
            raise StartError(f"The API ended with exit code {code}; {self._told}.")

    def stop(self) -> None:
        """Asks every process to stop, and kills what does not."""
        lifeline.stop(self.processes.values(), STOP_SECONDS)

    def keep_up(self) -> None:
        """Starts again what has died, and says so: its own output ends without a word.

        Raises:
            StartError: it had only just been started.
        """
        for name, process in list(self.processes.items()):
            code = process.poll()
            if code is None:
                continue
            if time.monotonic() - self._started_at[name] < STEADY_SECONDS:
                module = _module(name)
                raise StartError(f"`python -m {module}` ended with code {code}; {self._told}.")
            what = "the API" if name == "app" else name
            log.error("%s ended with exit code %d; it is started again", what, code)
            self.start(name)

    @property
    def _told(self) -> str:
        return f"{self._log} says why" if self._log else "its output above says why"

    def _output(self) -> AbstractContextManager[IO[bytes] | None]:
        if self._log is None:
            return nullcontext()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        return self._log.open("ab")


@contextmanager
def running(settings: Settings, log: Path | None = None, workers: int = 1) -> Iterator[Service]:
    """The service with this number of workers, up while the block runs."""
    service = Service(settings, log)
    names = ["worker", *(f"worker-{number}" for number in range(2, workers + 1))]
    try:
        service.start("app", *names[:workers])
        yield service
    finally:
        service.stop()


def _module(name: str) -> str:
    return name.partition("-")[0]
