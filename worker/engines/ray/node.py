"""What runs on a node of the cluster: the training process of one attempt, and its relay."""

import os
import stat
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from multiprocessing.connection import wait
from pathlib import Path

import msgspec
import ray

from app.codes import StopReason
from worker import memory
from worker.engines import CannotStart
from worker.engines.local import LocalEngine, LocalRun
from worker.messages import (
    Failed,
    Finished,
    Heartbeat,
    Lost,
    Measured,
    Order,
    Stopped,
    decode_command,
    encode,
)

LAST_WORDS = Finished | Measured | Failed | Stopped
LOOK_SECONDS = 1.0


class Attempt:
    """An actor: one attempt of a job. `train` and `stop` are called at the same time.

    Training is a process of its own, forked as at home: it has the machine's memory limit, its
    death is seen and told, and it ends when this process does.
    """

    def __init__(self) -> None:
        self._run: LocalRun | None = None
        self._reason: StopReason | None = None

    def train(self, order: bytes, traind: str) -> Iterator[bytes]:
        """What the run reports, to its last word, encoded. `traind` is the supervisor's version.

        Raises:
            CannotStart: this node has another version, or its system refuses the process.
        """
        if (here := version("traind")) != traind:
            raise CannotStart(f"the worker is traind {traind}, a node has {here}")
        yield encode(Heartbeat())  # it has a place
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in a worker
        wanted = decode_command(order)
        if not isinstance(wanted, Order):
            raise TypeError(f"{type(wanted).__name__} is not an order")
        run = self._run = LocalEngine().start(at_this_node(wanted))
        if self._reason is not None:  # it came before there was a process
            run.stop(self._reason)
        while (how := run.death()) is None:
            for report in run.reports():
                yield encode(report)
                if isinstance(report, LAST_WORDS):
                    return
            wait(run.waitables, LOOK_SECONDS)
        yield encode(Lost(f"{how} on node {ray.util.get_node_ip_address()}"))

    def stop(self, reason: StopReason) -> None:
        """Asks the run to stop at its next step boundary."""
        self._reason = reason
        if self._run is not None:
            self._run.stop(reason)


def at_this_node(order: Order) -> Order:
    """The order with folders and memory of this machine."""
    home = order.datasets_home
    if not os.access(Path(home).parent, os.W_OK):  # no file system is shared with the supervisor
        home = str(_own_folder())
    source = order.datasets_source
    if source is not None and not Path(source).is_dir():
        source = None
    own = order.own_dataset
    if own is not None and home != order.datasets_home:
        own = msgspec.structs.replace(own, target=str(Path(home) / Path(own.target).name))
    megabytes = order.memory_mb or memory.share(_runs_here(order.spec["resources"]["threads"]))
    return msgspec.structs.replace(
        order, datasets_home=home, datasets_source=source, own_dataset=own, memory_mb=megabytes
    )


def _own_folder() -> Path:
    """A folder for the decoded datasets of this user on this machine.

    Raises:
        CannotStart: somebody else has made it.
    """
    folder = Path(tempfile.gettempdir()) / f"traind-datasets-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise CannotStart(f"{folder} is not a folder of this user")
    return folder


def _runs_here(threads: int) -> int:
    """How many runs with so many threads this node has room for."""
    here = ray.get_runtime_context().get_node_id()
    nodes = [node["Resources"] for node in ray.nodes() if node["NodeID"] == here]
    processors = nodes[0].get("CPU", 1.0) if nodes else 1.0
    return max(1, int(processors / threads))
