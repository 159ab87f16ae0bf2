"""A data-parallel run: Ray Train starts its workers, and starts them again when one is lost."""

import logging
import threading
import time
from typing import Any

import msgspec
import ray
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchTrainer, get_device
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from app.codes import StopReason
from worker.engines.ray.mailbox import Mailbox
from worker.engines.ray.node import at_this_node
from worker.messages import Failed, Lost, Order, Report, decode_command, encode
from worker.training.parallel import Workers
from worker.training_process import last_word

RESTARTS = 2
"""How often Ray starts the workers again; then the job goes back into the queue."""
ASK_SECONDS = 0.1
"""How often the first worker asks whether the run is to stop."""


class Team:
    """The workers of one run, seen from its driver."""

    def __init__(self, order: Order, resources: dict[str, Any], folder: str) -> None:
        """`resources` are reserved for each worker. Ray Train wants a folder for its files."""
        here = ray.get_runtime_context().get_node_id()
        place = NodeAffinitySchedulingStrategy(node_id=here, soft=False)
        mailbox = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=place)
        self._mailbox = mailbox.remote(order.checkpoint)
        self._taken = self._mailbox.take.remote()
        self._failure: str | None = None
        each = {"CPU": resources["num_cpus"], "GPU": resources["num_gpus"]}
        if resources["memory"]:
            each["memory"] = resources["memory"]
        order = msgspec.structs.replace(order, checkpoint=None)  # the mailbox has the newest one
        trainer = TorchTrainer(
            work,
            train_loop_config={"order": encode(order), "mailbox": self._mailbox},
            scaling_config=ScalingConfig(
                num_workers=order.spec["resources"]["workers"],
                use_gpu=bool(resources["num_gpus"]),
                resources_per_worker=each,
            ),
            run_config=RunConfig(
                storage_path=folder,
                failure_config=FailureConfig(max_failures=RESTARTS),
            ),
        )
        threading.Thread(target=self._fit, args=(trainer,), daemon=True).start()

    def poll(self, seconds: float) -> list[bytes]:
        """What the first worker has said; waits so long for it."""
        ready, _ = ray.wait([self._taken], timeout=seconds)
        if ready:
            messages: list[bytes] = ray.get(self._taken)
            self._taken = self._mailbox.take.remote()
            return messages
        if self._failure is not None:
            return [encode(Lost(f"the run was lost on the Ray cluster: {self._failure}"))]
        return []

    def stop(self, reason: StopReason) -> None:
        """Asks the run to stop at its next step boundary."""
        self._mailbox.stop.remote(reason)

    def _fit(self, trainer: TorchTrainer) -> None:
        try:
            trainer.fit()
        except Exception as error:  # whatever it is, the job is to hear of it
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            self._failure = lines[-1] if lines else type(error).__name__


def work(config: dict[str, Any]) -> None:
    """One of the workers. All of them train alike; the first one reports, and hears of a stop."""
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    mailbox = config["mailbox"]
    is_first = get_context().get_world_rank() == 0
    order = decode_command(config["order"])
    if not isinstance(order, Order):
        raise TypeError(f"{type(order).__name__} is not an order")
    if torch.cuda.is_available():
        torch.cuda.set_device(get_device())
    checkpoint = ray.get(mailbox.newest_checkpoint.remote())
    member = _Member(msgspec.structs.replace(at_this_node(order), checkpoint=checkpoint))
    if is_first:
        threading.Thread(target=member.ask, args=(mailbox,), daemon=True).start()

    def report(message: Report) -> None:
        if is_first:
            ray.get(mailbox.put.remote(encode(message)))

    word = last_word(member, report, member.workers)
    if is_first or isinstance(word, Failed):
        ray.get(mailbox.put.remote(encode(word)))


class _Member:
    """What one worker is told."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._reason: StopReason | None = None
        self.workers = Workers(lambda: self._reason)

    def stop_requested(self) -> StopReason | None:
        """What all workers have agreed on."""
        return self.workers.stop_requested()

    def ask(self, mailbox: Any) -> None:
        """Asks again and again whether the supervisor wants the run to stop."""
        while self._reason is None:
            reason = ray.get(mailbox.stop_requested.remote())
            self._reason = StopReason(reason) if reason is not None else None
            time.sleep(ASK_SECONDS)
