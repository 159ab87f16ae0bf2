"""How the gradient changes the weights, and the learning rate of each step."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn, optim

from app import jobspec
from app.jobspec import JobSpec
from worker.training import optimizers


def optimizer(training: jobspec.Training, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """The update rule of the spec, fused where torch has it: one pass over the weights."""
    held = list(parameters)
    made = _rule(training.optimizer, held)
    limit = training.gradient_clipping
    if limit is not None:
        made.register_step_pre_hook(lambda *_: _clip(held, limit))
    return made


def _rule(chosen: jobspec.Optimizer, held: list[nn.Parameter]) -> optim.Optimizer:
    rate, decay, momentum = chosen.lr, chosen.weight_decay, chosen.momentum or 0.0
    match chosen.name:
        case "sgd":
            nesterov = chosen.nesterov
            return optimizers.SGD(held, rate, momentum, 0.0, decay, nesterov, fused=True)
        case "adam":
            return optimizers.Adam(held, rate, weight_decay=decay, fused=True)
        case "adamw":
            return optimizers.AdamW(held, rate, weight_decay=decay, fused=True)
        case "rmsprop":
            return optimizers.RMSprop(held, rate, weight_decay=decay, momentum=momentum)
        case "adagrad":
            return optimizers.Adagrad(held, rate, weight_decay=decay)


def _clip(parameters: list[nn.Parameter], limit: float) -> None:
    nn.utils.clip_grad_norm_(parameters, limit)


@dataclass
class Plateau:
    """Whether a measure still improves: the memory of early stopping and reduce_on_plateau."""

    best: float | None = None
    waited: int = 0

    def improves(self, value: float, min_delta: float = 0.0) -> bool:
        """Takes in an epoch's value; returns whether it is the lowest so far, by `min_delta`."""
        if self.best is None or value < self.best - min_delta:
            self.best, self.waited = value, 0
            return True
        self.waited += 1
        return False


class LearningRate:
    """The rate of each step. But for the plateau's memory it is a function of the step alone."""

    def __init__(self, spec: JobSpec) -> None:
        self._schedule = spec.training.schedule or jobspec.Schedule()
        self._highest = spec.training.optimizer.lr
        self._steps = spec.steps
        self._epoch_steps = spec.steps_per_epoch
        self._plateau = Plateau()
        self._falls = 0

    def at(self, step: int) -> float:
        """The rate of the step that follows `step` steps."""
        warmup = (self._schedule.warmup or 0.0) * self._steps
        if step < warmup:
            return self._highest * (step + 1) / math.ceil(warmup)
        after = (step - warmup) / max(1.0, self._steps - warmup)
        return self._highest * self._factor(step, after)

    def _factor(self, step: int, after: float) -> float:
        """Of the highest rate; `after` is the share done of the steps behind the warm-up."""
        schedule = self._schedule
        match schedule.name:
            case "step":
                falls = step // self._epoch_steps // (schedule.every or 1)
                return float((schedule.factor or 1.0) ** falls)
            case "cosine":  # Loshchilov and Hutter 2017, without restarts
                return (1 + math.cos(math.pi * after)) / 2
            case "one_cycle":  # Smith 2018, in straight lines
                return 1 - after
            case "reduce_on_plateau":
                return float((schedule.factor or 1.0) ** self._falls)
            case _:
                return 1.0

    def epoch_ended(self, validation_loss: float | None) -> None:
        """Lets reduce_on_plateau see the epoch's validation loss."""
        if self._schedule.name != "reduce_on_plateau" or validation_loss is None:
            return
        patience = self._schedule.patience or 0
        if not self._plateau.improves(validation_loss) and self._plateau.waited > patience:
            self._falls += 1
            self._plateau.waited = 0

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here, as JSON values."""
        return {"plateau": asdict(self._plateau), "falls": self._falls}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a kept state."""
        self._plateau = Plateau(**state["plateau"])
        self._falls = state["falls"]
