"""All that changes while a run trains: what its snapshots keep, and what resuming restores."""

from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import torch
from torch import Tensor

from app.jobspec import JobSpec
from worker.training import checkpoint, networks, optimization
from worker.training.checkpoint import Snapshot
from worker.training.measurements import Measurements
from worker.training.optimization import LearningRate, Plateau
from worker.training.tally import Tally


@dataclass
class Position:
    """A boundary between two steps: `batch` are done of `epoch`, `step` in all."""

    epoch: int = 1
    batch: int = 0
    step: int = 0


@dataclass
class Best:
    """What early stopping waits for, the least validation loss, and the weights to restore."""

    waiting: Plateau = field(default_factory=Plateau)
    loss: Plateau = field(default_factory=Plateau)
    weights: dict[str, Tensor] = field(default_factory=dict)


class State:
    """A run between two steps, from its seed or from a snapshot."""

    def __init__(self, spec: JobSpec, device: torch.device) -> None:
        torch.manual_seed(spec.training.seed)
        self.device = device
        self.net = networks.build(spec).to(device)
        self.optimizer = optimization.optimizer(spec.training, self.net.parameters())
        self.rate = LearningRate(spec)
        self.position = Position()
        self.tally = Tally(device)
        self.best = Best()
        self.measurements = Measurements()

    def encode(self, environment: dict[str, Any]) -> bytes:
        """A snapshot of this very boundary, with what the bits depend on beside the spec."""
        snapshot = Snapshot(
            values={
                "position": asdict(self.position),
                "rate": self.rate.state(),
                "waiting": asdict(self.best.waiting),
                "loss": asdict(self.best.loss),
                "environment": environment,
            },
            tensors={
                "net": self.net.state_dict(),
                "optimizer": checkpoint.optimizer_state(self.optimizer),
                "best": self.best.weights,
                "tally": self.tally.state(),
                "random": {"torch": torch.get_rng_state()},
                "measured": {"msgpack": self._measured()},
            },
        )
        if self.device.type == "cuda":
            snapshot.tensors["random"]["cuda"] = torch.cuda.get_rng_state()
        return snapshot.encode()

    def _measured(self) -> Tensor:
        """As bytes: JSON of so much would take a thirtieth of a short epoch."""
        return torch.frombuffer(
            bytearray(msgspec.msgpack.encode(self.measurements)), dtype=torch.uint8
        )

    def restore(self, content: bytes) -> dict[str, Any]:
        """Goes on from a snapshot of the same spec; returns the environment that it was made in."""
        snapshot = Snapshot.decode(content)
        values, tensors = snapshot.values, snapshot.tensors
        self.position = Position(**values["position"])
        self.rate.restore(values["rate"])
        self.best = Best(
            Plateau(**values["waiting"]), Plateau(**values["loss"]), tensors.get("best", {})
        )
        if "measured" in tensors:  # an older traind took no measurements
            content = tensors["measured"]["msgpack"].numpy().tobytes()
            self.measurements = msgspec.msgpack.decode(content, type=Measurements)
        self.net.load_state_dict(tensors["net"])
        checkpoint.restore_optimizer(self.optimizer, tensors.get("optimizer", {}))
        self.tally.restore(tensors["tally"])
        torch.set_rng_state(tensors["random"]["torch"])
        if "cuda" in tensors["random"] and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random"]["cuda"])
        environment: dict[str, Any] = values["environment"]
        return environment
