"""The process of one run on Ray, on the supervisor's machine: passes on what both sides say.

Its supervisor sees a run like any other: a process and a pipe. When this process ends, however it
ends, Ray ends what it has started on the cluster.
"""

import contextlib
import logging
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from app.codes import FailureCode, StopReason
from worker.engines.ray.node import LAST_WORDS, Attempt
from worker.listener import Listener
from worker.messages import Failed, Heartbeat, Log, Lost, Order, Report, decode_report, encode

if TYPE_CHECKING:
    from worker.engines.ray.team import Team

POLL_SECONDS = 0.05
"""How often it looks whether the run is to stop."""
PATIENCE_SECONDS = 60.0
"""After this long without a place on the cluster, the job's owner is told what it waits for."""
BEAT_SECONDS = 5.0
"""How often a run that waits for a place says that it is alive."""
IN_FLIGHT = 16
"""Messages on their way; then the run waits until the supervisor has read some."""
PLACING_SECONDS, PLACING_PAUSE = 60.0, 1.0
"""How long a run that dies before its first word is placed anew: Ray's health checks take half a
minute to find that a node is gone, and until then it may be chosen again."""
MB = 10**6


def main(address: str, connection: Connection) -> None:
    """Has the cluster train what the first message orders; never returns."""
    listener = Listener(connection)
    with contextlib.suppress(BrokenPipeError):
        for message in _messages(address, listener):
            connection.send_bytes(message)
    os._exit(0)


def _messages(address: str, listener: Listener) -> Iterator[bytes]:
    """What the run says, to its last word. Whatever goes wrong is put in words."""
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        for number in (signal.SIGTERM, signal.SIGINT):  # Ray has put its own there
            signal.signal(number, signal.SIG_IGN)
        yield from _stream(listener)
    except RayTaskError as error:  # raised by our code on the node, before the training process
        advice = "See to the cluster's nodes, then retry."
        message = f"The run could not be started on the Ray cluster: {error.cause}."
        yield encode(Failed(FailureCode.NOT_STARTED, message, advice))
    except RayActorError as error:
        yield encode(Lost(f"the run was lost on the Ray cluster: {_first_line(error)}"))
    except (RayError, ConnectionError, RuntimeError) as error:
        yield encode(Lost(f"the Ray cluster failed: {_first_line(error)}"))


def _stream(listener: Listener) -> Iterator[bytes]:
    order, told = listener.order, None
    resources = _resources(order, ray.cluster_resources())
    waiting = _waiting(order.spec["resources"]["workers"], resources["num_cpus"])
    with tempfile.TemporaryDirectory(prefix="traind-ray-", ignore_cleanup_errors=True) as folder:
        run = _run(order, resources, folder)
        while True:
            reason = listener.stop_requested()
            if reason is not None and reason is not told:
                run.stop(reason)
                told = reason
            messages = run.poll(POLL_SECONDS)
            for message in messages:
                yield message
                if isinstance(decode_report(message), LAST_WORDS | Lost):
                    return
            if messages:
                waiting = iter(())
            elif report := next(waiting, None):
                yield encode(report)


def _run(order: Order, resources: dict[str, Any], folder: str) -> "Single | Team":
    """One worker, or several; a range test makes the same steps with one."""
    if order.spec["resources"]["workers"] == 1 or order.spec["lr_range"] is not None:
        return Single(order, resources)
    from worker.engines.ray.team import Team  # noqa: PLC0415 (it loads torch)

    return Team(order, resources, folder)


class Single:
    """A run with one worker, seen from its driver."""

    def __init__(self, order: Order, resources: dict[str, Any]) -> None:
        self._order = encode(order)
        self._actor = ray.remote(Attempt).options(max_concurrency=2, **resources)
        self._places_until = time.monotonic() + PLACING_SECONDS
        self._has_spoken = False
        self._start()

    def _start(self) -> None:
        self._attempt = self._actor.remote()
        self._stream = self._attempt.train.options(
            num_returns="streaming", _generator_backpressure_num_objects=IN_FLIGHT
        ).remote(self._order, version("traind"))

    def poll(self, seconds: float) -> list[bytes]:
        """What it has said; waits so long for it."""
        ready, _ = ray.wait([self._stream], timeout=seconds)
        if not ready:
            return []
        try:
            message: bytes = ray.get(next(self._stream))
        except RayActorError:  # maybe Ray has placed it on a node that is not known to be dead yet
            if self._has_spoken or time.monotonic() > self._places_until:
                raise
            time.sleep(PLACING_PAUSE)
            self._start()
            return []
        self._has_spoken = True
        return [message]

    def stop(self, reason: StopReason) -> None:
        """Asks the run to stop at its next step boundary."""
        self._attempt.stop.remote(reason)


def _resources(order: Order, cluster: dict[str, float]) -> dict[str, Any]:
    """What Ray is to reserve on one node.

    A job for a GPU starts on a cluster that has none, too: the run then says that there is none.
    """
    wanted = order.spec["resources"]
    has_gpu = cluster.get("GPU", 0) >= 1
    return {
        "num_cpus": wanted["threads"],
        "num_gpus": int(has_gpu and wanted["device"] != "cpu"),
        "memory": order.memory_mb * MB if order.memory_mb else None,
    }


def _waiting(workers: int, processors: int) -> Iterator[Report | None]:
    """What is to be said while the run has no place on the cluster; asked again and again."""
    beat_at = time.monotonic() + BEAT_SECONDS
    tell_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        now = time.monotonic()
        if now >= tell_at:
            tell_at = float("inf")
            yield Log(_wanting(workers, processors))
        elif now >= beat_at:
            beat_at = now + BEAT_SECONDS
            yield Heartbeat()
        else:
            yield None


def _wanting(workers: int, processors: int) -> str:
    nodes = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
    largest = int(max(nodes, default=0.0))
    if largest < processors:
        return (
            f"waits for a node of the Ray cluster with {processors} CPUs (resources.threads); "
            f"the largest has {largest}"
        )
    return (
        f"waits for {workers * processors} CPU(s) on the Ray cluster, which has {int(sum(nodes))} "
        "in all, and for GPUs if it takes any"
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
