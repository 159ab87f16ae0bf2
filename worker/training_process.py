"""The entry of a training process: an order in, reports out, no database."""

import contextlib
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import torch

from app.codes import FailureCode, StopReason
from app.jobspec import JobSpec
from worker import memory
from worker.datasets import DatasetUnavailable
from worker.listener import Listener
from worker.messages import Failed, Heartbeat, Order, Report, Stopped, encode
from worker.open_dataset import open_dataset
from worker.training import backbone
from worker.training.environment import DeviceUnavailable
from worker.training.interruptions import Diverged, Stopping
from worker.training.parallel import WorkerLost, Workers
from worker.training.run import Run

NICENESS = 10
"""Predictions come first: training takes what they leave of the processors."""


def main(connection: Connection) -> None:
    """Trains what the first message orders and reports until the last word; never returns."""
    for number in (signal.SIGTERM, signal.SIGINT):  # Ctrl-C reaches the group: the worker decides
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the kernel takes this process before the API
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(NICENESS)
    memory.keep_freed()
    listener = Listener(connection)
    if listener.order.memory_mb is not None:
        memory.limit(listener.order.memory_mb)

    def report(message: Report) -> None:
        connection.send_bytes(encode(message))

    with contextlib.suppress(BrokenPipeError):
        report(last_word(listener, report))
    os._exit(0)  # a normal exit takes 0.6 s


class Orders(Protocol):
    """What a run is told."""

    order: Order

    def stop_requested(self) -> StopReason | None:
        """Why the run is to stop, or None."""


def last_word(
    listener: Orders, report: Callable[[Report], None], workers: Workers | None = None
) -> Report:
    """Runs the order, maybe with other workers; returns how it ended, in words if it went wrong.

    Raises:
        WorkerLost: another worker does not answer.
    """
    try:
        spec = JobSpec.stored(listener.order.spec)
        dataset = open_dataset(spec.dataset, listener.order, lambda: _live(listener, report))
        name = spec.model.backbone
        weights = backbone.load(name, Path(listener.order.backbones)) if name else None
        run = Run(spec, dataset, report, listener.stop_requested, weights, workers=workers)
        return run.run(listener.order.checkpoint)
    except Stopping as stopping:
        return Stopped(stopping.reason)
    except DatasetUnavailable as unavailable:
        return Failed(FailureCode.DATASET_UNAVAILABLE, str(unavailable), unavailable.advice)
    except backbone.BackboneUnavailable as unavailable:
        return Failed(FailureCode.BACKBONE_UNAVAILABLE, str(unavailable), unavailable.advice)
    except Diverged as diverged:
        advice = "Lower training.optimizer.lr, for example to a tenth."
        return Failed(FailureCode.DIVERGED, str(diverged), advice)
    except DeviceUnavailable as unavailable:
        advice = "Set resources.device to auto or cpu, or start a worker on a machine with a GPU."
        return Failed(FailureCode.DEVICE_UNAVAILABLE, str(unavailable), advice)
    except WorkerLost:
        raise
    except Exception as error:  # the boundary of the process: its owner must hear of it
        if _is_out_of_memory(error):
            most = f"its {listener.order.memory_mb} MB of" if listener.order.memory_mb else "the"
            message = f"The run needed more than {most} memory."
            advice = "Try a smaller network or batch size, or raise TRAIND_RUN_MEMORY_MB."
            return Failed(FailureCode.OUT_OF_MEMORY, message, advice)
        advice = "This is a fault of traind; please report it with the worker's log."
        message = f"{type(error).__name__}: {error}"
        return Failed(FailureCode.INTERNAL, message, advice, traceback.format_exc())


def _live(listener: Orders, report: Callable[[Report], None]) -> None:
    """Says that the work before the first step goes on; ends it if asked to."""
    if reason := listener.stop_requested():
        raise Stopping(reason)
    report(Heartbeat())


def _is_out_of_memory(error: Exception) -> bool:
    """torch says it on a CPU with a RuntimeError, on a GPU with a class of its own.

    oneDNN gives no reason. It checks that it supports a primitive before it makes one, so that it
    fails later for want of memory.
    """
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    by_onednn = {"could not create a primitive", "could not execute a primitive"}
    is_short = "allocate memory" in str(error) or str(error) in by_onednn
    return isinstance(error, RuntimeError) and is_short
