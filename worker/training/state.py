"""All that changes while a run trains: snapshots keep it, and resuming restores it."""

from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import torch
from torch import Tensor

from app.jobspec import EarlyStopping, JobSpec, Training
from worker.training import checkpoint, networks, optimization, running_metrics
from worker.training.captured import CapturedLoop
from worker.training.checkpoint import Snapshot
from worker.training.measurements import Measurements
from worker.training.optimization import LearningRate, Plateau
from worker.training.running_metrics import RunningMetrics


@dataclass
class Position:
    """A boundary between two steps: `batch` steps of `epoch` are done, and `step` steps in all."""

    epoch: int = 1
    batch: int = 0
    step: int = 0


@dataclass
class Best:
    """What early stopping has seen, and the weights to restore."""

    waiting: Plateau = field(default_factory=Plateau)
    weights: dict[str, Tensor] = field(default_factory=dict)
    epoch: int = 0
    """Whose weights they are; 0 in checkpoints of older versions."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Of that epoch; none in checkpoints of older versions."""


class State:
    """A run between two steps, from its seed or from a snapshot."""

    def __init__(
        self, spec: JobSpec, device: torch.device, pretrained: checkpoint.Tensors | None = None
    ) -> None:
        """`pretrained` are weights that take the place of those drawn by the seed."""
        torch.manual_seed(spec.training.seed)
        self.device = device
        self.pretrained = pretrained or {}
        self.net = networks.build(spec)
        self.net.load_state_dict(self.pretrained, strict=False)
        self.net.to(device)
        self.optimizer = optimization.optimizer(spec.training, self.net.parameters())
        self.captured = CapturedLoop()
        self.rate = LearningRate(spec)
        self.position = Position()
        self.running = RunningMetrics(device)
        self._log_every = spec.training.log_every
        self.best = Best()
        self.measurements = Measurements()

    def judge(self, stopping: EarlyStopping | None, metrics: dict[str, float]) -> None:
        """Tells schedule and early stopping an epoch's metrics."""
        self.rate.epoch_ended(metrics.get("validation_loss"))
        if stopping is not None and stopping.metric in metrics:
            found = metrics[stopping.metric]
            better = found if stopping.falls else -found
            if self.best.waiting.improves(better, stopping.min_delta):
                self.best.weights = checkpoint.network_state(self.net)
                self.best.epoch = self.position.epoch
                self.best.metrics = metrics

    def about_best(self, training: Training) -> str:
        """Which weights early stopping has kept, and whether it has stopped the run."""
        ended = self.position.epoch - 1
        early = f"stopped early after epoch {ended}; " if ended < training.epochs else ""
        whose = f"epoch {self.best.epoch}, " if self.best.epoch else ""
        metric = training.early_stopping.metric if training.early_stopping else "validation"
        return f"{early}the weights are those of {whose}the best by {metric}"

    def has_ended(self, training: Training) -> bool:
        """Whether all epochs are done, or early stopping is out of patience."""
        stopping = training.early_stopping
        out_of_patience = stopping is not None and self.best.waiting.waited >= stopping.patience
        return out_of_patience or self.position.epoch > training.epochs

    def set_rate(self) -> None:
        """Sets the learning rate of the next step."""
        rate = self.rate.at(self.position.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def encode(self, environment: dict[str, Any]) -> bytes:
        """A snapshot of this boundary; `environment` is what the bits depend on beside the spec."""
        snapshot = Snapshot(
            values={
                "position": asdict(self.position),
                "rate": self.rate.state(),
                "waiting": asdict(self.best.waiting),
                "best_epoch": self.best.epoch,
                "best_metrics": self.best.metrics,
                "environment": environment,
            },
            tensors={
                "net": self.net.state_dict(),
                "optimizer": checkpoint.optimizer_state(self.optimizer),
                "best": self.best.weights,
                "running": self.running.state(),
                "random": {"torch": torch.get_rng_state()},
                "measured": {"msgpack": self._measured()},
            },
        )
        if self.device.type == "cuda":
            snapshot.tensors["random"]["cuda"] = torch.cuda.get_rng_state()
        return snapshot.encode()

    def _measured(self) -> Tensor:
        """The measurements as bytes; JSON would take 3% of a short epoch."""
        return torch.frombuffer(
            bytearray(msgspec.msgpack.encode(self.measurements)), dtype=torch.uint8
        )

    def _running(self, tensors: dict[str, checkpoint.Tensors]) -> checkpoint.Tensors:
        if "running" in tensors:
            return tensors["running"]
        return running_metrics.upgraded(tensors["tally"], self.position.batch % self._log_every)

    def restore(self, content: bytes) -> dict[str, Any]:
        """Goes on from a snapshot of the same spec; returns the environment that it was made in."""
        snapshot = Snapshot.decode(content)
        values, tensors = snapshot.values, snapshot.tensors
        self.position = Position(**values["position"])
        self.rate.restore(values["rate"])
        self.best = Best(
            Plateau(**values["waiting"]),
            tensors.get("best", {}),
            values.get("best_epoch", 0),
            values.get("best_metrics", {}),
        )
        if "measured" in tensors:  # checkpoints of older versions have none
            content = tensors["measured"]["msgpack"].numpy().tobytes()
            self.measurements = msgspec.msgpack.decode(content, type=Measurements)
        self.net.load_state_dict(tensors["net"])
        checkpoint.restore_optimizer(self.optimizer, tensors.get("optimizer", {}))
        self.running.restore(self._running(tensors))
        torch.set_rng_state(tensors["random"]["torch"])
        if "cuda" in tensors["random"] and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random"]["cuda"])
        environment: dict[str, Any] = values["environment"]
        return environment
