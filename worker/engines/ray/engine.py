"""The engine whose runs execute on a Ray cluster; Ray itself is loaded in other processes."""

import os
import secrets
import subprocess
import sys
import tempfile
import threading
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from app import lifeline
from worker.capacity import CPU
from worker.engines import CannotStart, Run
from worker.engines.local import LocalEngine
from worker.engines.ray import Found
from worker.messages import Order

PRELOAD = ["worker.engines.ray.driver"]
"""What the server from which drivers are forked has loaded: Ray, which starts no thread until it
connects."""
COMMAND = [sys.executable, "-P", "-m", "worker.engines.ray.cluster"]


class RayEngine:
    """Forks a driver for each run: a run of Ray that fails or hangs takes no other with it."""

    def __init__(self, address: str, memory_mb: int | None) -> None:
        """`address` is HOST:PORT of the cluster's head; without one, a Ray of this machine is
        started, and ends with this process. `memory_mb` is what the operator lets a run take."""
        self._address = address
        self._memory_mb = memory_mb
        self.capacity = CPU
        self._drivers: LocalEngine | None = None
        self._failure: str | None = None
        self._cluster: lifeline.Process | None = None

    def warm_up(self) -> None:
        """Connects to the cluster, or starts one, while the caller goes on."""
        threading.Thread(target=self._connect, daemon=True).start()

    def is_ready(self) -> bool:
        """Whether the cluster has answered.

        Raises:
            CannotStart: it does not.
        """
        if self._failure is not None:
            raise CannotStart(self._failure)
        return self._drivers is not None and self._drivers.is_ready()

    def start(self, order: Order) -> Run:
        """Forks the driver of a run.

        Raises:
            CannotStart: the system refuses the process or its pipe, or the order cannot be encoded.
        """
        if self._drivers is None:
            raise CannotStart("the Ray cluster has not answered")
        source = order.datasets_source
        sent = msgspec.structs.replace(
            order,
            datasets_home=str(Path(order.datasets_home).absolute()),
            datasets_source=str(Path(source).absolute()) if source else None,
            memory_mb=self._memory_mb,
        )
        return self._drivers.start(sent)

    def _connect(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to Ray's makers
        if not self._address:
            # This Ray is for this worker alone: it has a token of its own, unless the operator has
            # set one. Ray reads it when it is loaded, so it stands in the environment of drivers.
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        try:
            found = self._find()
        except OSError as error:
            self._failure = f"the process that connects to Ray did not start: {error}"
            return
        if found is not None:
            self.capacity = found.capacity
            drivers = LocalEngine(PRELOAD, partial(_drive, found.address), _tell_nothing)
            drivers.warm_up()
            self._drivers = drivers

    def _find(self) -> Found | None:
        """The cluster, or None where it does not answer: `_failure` then says why."""
        with tempfile.TemporaryFile() as errors:
            self._cluster = lifeline.Process(
                [*COMMAND, self._address],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # a signal to this worker's group is not for the cluster
            )
            told = self._cluster.stdout.readline() if self._cluster.stdout else b""
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        if "InvalidAuthToken" in said:
            self._failure = (
                f"the Ray cluster at {self._address} refuses this worker's token: set "
                "RAY_AUTH_TOKEN to the cluster's"
            )
        elif not told:
            lines = said.strip().splitlines()
            self._failure = lines[-1] if lines else "the process that connects to Ray has ended"
        else:
            return msgspec.json.decode(told, type=Found)
        return None


def _tell_nothing(connection: Connection) -> None:
    """What a driver finds does not matter: runs execute elsewhere."""
    connection.send(tuple(CPU))
    connection.close()


def _drive(address: str, connection: Connection) -> None:
    """The process of one run; Ray is loaded there."""
    from worker.engines.ray.driver import main  # noqa: PLC0415

    main(address, connection)
