"""Measures a run while it trains, within a budget of its time."""

import math

import torch
from torch import Tensor, nn

from worker.training.batches import Images
from worker.training.diagnosis import probe
from worker.training.diagnosis.probe import IMAGES, Probe
from worker.training.loop import Criterion, Step
from worker.training.losses import weight
from worker.training.measurements import EpochReading, Stretch
from worker.training.state import State

BUDGET = 0.012
"""Fraction of the training that probes may cost, where cost is counted in images."""
STEP_IMAGES, PROBE_IMAGES = 30, 1200
"""Fixed cost of a step and of a probe, in images of the reference network."""
TOGETHER, MOST_TOGETHER = 16, 256
"""Least and greatest number of losses that are read from the device at once."""
MOST = 64
"""Most readings that are kept, and half of the most stretches. Beyond it every other reading is
dropped, and stretches are joined in pairs."""


class Recorder:
    """Records every step's loss and every epoch's metrics, and measures the network at some steps.

    The number of steps alone decides when to measure, so that the same job is always measured at
    the same steps.
    """

    def __init__(self, state: State, criterion: Criterion, images: Images, batch_size: int) -> None:
        self._state = state
        self._criterion = criterion
        self._batch = probe.batch(images)
        self._probe = Probe(state.net, criterion, self._batch)
        self._step_cost = batch_size + STEP_IMAGES
        self._losses: list[Tensor] = []
        self._weights: list[Tensor | float] = []
        self._updating = False
        self._probed_at = 0

    def begin(self) -> None:
        """Measures the network before its first step; a run that goes on has been measured, and is
        again when it would have been without the break."""
        if readings := self._state.measurements.readings:
            self._probed_at = readings[-1].step
        else:
            self.read()

    def look_back(self, start: nn.Sequential) -> None:
        """Measures the network as it was before the first step, in a run that is beyond it."""
        reading = Probe(start, self._criterion, self._batch).read(0, 1)
        self._state.measurements.readings.append(reading)

    def add(self, step: Step) -> None:
        """Counts a step in; called right after it."""
        self._losses.append(step.loss)
        self._weights.append(weight(self._criterion, step.labels) / step.labels.shape[0])
        if self._updating:
            self._updating = False
            layers = self._state.measurements.readings[-1].layers
            for layer, update in zip(layers, self._probe.updates(step), strict=True):
                layer.update = update
        if len(self._losses) >= min(self._width(), MOST_TOGETHER):
            self.sum_up()

    def due(self) -> bool:
        """Whether enough was trained since the last probe to afford another one."""
        spent = (self._state.position.step - self._probed_at) * self._step_cost
        kept = len(self._state.measurements.readings)
        return spent * BUDGET >= (2 * IMAGES + PROBE_IMAGES) * max(1.0, kept / (MOST / 2))

    def read(self) -> None:
        """Measures the network now."""
        at, ended = self._state.position, self._state.measurements.epochs
        reading = self._probe.read(at.step, at.epoch if at.batch or not ended else at.epoch - 1)
        kept = self._state.measurements.readings
        kept.append(reading)
        if len(kept) > MOST:  # the first and the newest stay
            del kept[1:-1:2]
        self._updating = math.isfinite(reading.loss)
        self._probed_at = at.step

    def epoch(self, metrics: dict[str, float]) -> None:
        """Notes an epoch's metrics."""
        at = self._state.position
        self.sum_up()
        kept = self._state.measurements.epochs
        kept.append(EpochReading(at.epoch, at.step, metrics))
        if len(kept) > 4 * MOST:  # the first and the newest stay
            del kept[1:-1:2]

    def sum_up(self) -> None:
        """Sums up the losses since the last time."""
        if not self._losses:
            return
        losses = torch.stack(self._losses).double()
        weights = _stacked(self._weights).to(losses)
        first = self._state.position.step - len(losses) + 1
        self._losses, self._weights = [], []
        total = weights.sum()
        if not total:  # every label has the class weight 0: these steps learned nothing
            return
        mean = (weights * losses).sum() / total
        variance = (weights * (losses - mean).square()).sum() / total
        stretch = Stretch(first, len(losses), mean.item(), variance.item(), total.item())
        kept = self._state.measurements.stretches
        if kept and kept[-1].count < self._width():
            kept[-1] = _joined(kept[-1], stretch)
        else:
            kept.append(stretch)
        if len(kept) > 2 * MOST:
            pairs = zip(kept[::2], kept[1::2], strict=False)
            kept[:] = [_joined(*pair) for pair in pairs] + kept[len(kept) // 2 * 2 :]

    def _width(self) -> int:
        """How many mini-batches a stretch is to have: as many as the first one."""
        kept = self._state.measurements.stretches
        return max(TOGETHER, kept[0].count) if len(kept) > 1 else TOGETHER


def _stacked(weights: list[Tensor | float]) -> Tensor:
    """One tensor of all: made of each by itself, they take 3 us a step."""
    numbers = [each for each in weights if not isinstance(each, Tensor)]
    if len(numbers) == len(weights):
        return torch.tensor(numbers, dtype=torch.float64)
    return torch.stack([torch.as_tensor(each) for each in weights])


def _joined(a: Stretch, b: Stretch) -> Stretch:
    of_a, of_b = a.weight or a.count, b.weight or b.count
    total = of_a + of_b
    mean = (a.mean * of_a + b.mean * of_b) / total
    within = (a.variance * of_a + b.variance * of_b) / total
    between = (of_a * (a.mean - mean) ** 2 + of_b * (b.mean - mean) ** 2) / total
    return Stretch(a.step, a.count + b.count, mean, within + between, total)
