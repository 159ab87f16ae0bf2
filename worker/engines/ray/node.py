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
from worker.imports.messages import Import, Stored
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
    megabytes = order.memory_mb or memory.share(_runs_here(order.spec["resources"]["threads"]))
    order = msgspec.structs.replace(order, memory_mb=megabytes)
    if order.datasets_source is not None and not Path(order.datasets_source).is_dir():
        order = msgspec.structs.replace(order, datasets_source=None)
    if os.access(Path(order.datasets_home).parent, os.W_OK):
        return order
    home = _own_folder()  # no file system is shared with the supervisor
    own = order.own_dataset and _moved(order.own_dataset, home)
    return msgspec.structs.replace(order, datasets_home=str(home), own_dataset=own)


def _moved(wanted: Import, home: Path) -> Import:
    """An import with arrays and fetched files in `home`, and what it adds to, too."""
    source, base = wanted.source, wanted.base
    if isinstance(source, Stored):
        source = msgspec.structs.replace(source, cache=str(home / "fetched"))
    if base is not None:
        own = base.own_dataset and _moved(base.own_dataset, home)
        base = msgspec.structs.replace(base, datasets_home=str(home), own_dataset=own)
    target = str(home / Path(wanted.target).name)
    return msgspec.structs.replace(wanted, source=source, base=base, target=target)


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
    """How many runs fit on this node at the same time, each with this many threads."""
    here = ray.get_runtime_context().get_node_id()
    nodes = [node["Resources"] for node in ray.nodes() if node["NodeID"] == here]
    processors = nodes[0].get("CPU", 1.0) if nodes else 1.0
    return max(1, int(processors / threads))
