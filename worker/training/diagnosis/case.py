"""What the rules reason about: a run's measurements with its spec, and what follows from both."""

import math
import statistics

from app.jobspec import JobSpec
from worker.training.measurements import Measurements, RangeTest, Reading

MORE = 0.02
"""By so much a network is to know its training images better than their neighbours know others."""
ASKED = 0.955
"""Of a training accuracy no more is asked."""
ENOUGH = 0.97
"""At such a training accuracy nobody needs to go on."""


class Case:
    """One run, while it trains or at its end (`final`)."""

    def __init__(
        self, spec: JobSpec, measurements: Measurements, classes: int, *, final: bool
    ) -> None:
        self.spec = spec
        self.measured = measurements
        self.classes = classes
        self.final = final

    @property
    def first(self) -> Reading:
        """Before the first step."""
        return self.measured.readings[0]

    @property
    def last(self) -> Reading:
        """The newest."""
        return self.measured.readings[-1]

    @property
    def began(self) -> tuple[int, int]:
        """Epoch and step before the first."""
        return 1, 0

    @property
    def now(self) -> tuple[int, int]:
        """Epoch and step of what was measured last."""
        return self.last.epoch, self.last.step

    @property
    def steps(self) -> int:
        """Optimizer steps that were made."""
        epochs = self.measured.epochs
        return epochs[-1].step if epochs else self.last.step

    @property
    def broke(self) -> bool:
        """Whether the run ended because its loss was no number."""
        return self.measured.non_finite is not None

    @property
    def stopped_early(self) -> bool:
        """Whether early stopping ended the run."""
        if not self.final or self.broke or not self.measured.epochs:
            return False
        return self.measured.epochs[-1].epoch < self.spec.training.epochs

    @property
    def chance_loss(self) -> float:
        """The loss of a network that knows nothing."""
        if self.spec.training.loss.name == "mse":
            return (1 - 1 / self.classes) / self.classes
        return math.log(self.classes)

    @property
    def baseline(self) -> float | None:
        """What the nearest neighbour among the training images reaches; None if not yet looked."""
        inspection = self.measured.inspection
        return None if inspection is None else inspection.neighbour

    @property
    def train_accuracy(self) -> float | None:
        """At the end in evaluation mode, before it as the last epoch found it."""
        if self.measured.ending is not None:
            return self.measured.ending.train_accuracy
        epochs = self.measured.epochs
        return epochs[-1].metrics["train_accuracy"] if epochs else None

    @property
    def validation_accuracy(self) -> float | None:
        """At the end; None without a validation split."""
        return None if self.measured.ending is None else self.measured.ending.validation_accuracy

    @property
    def expected(self) -> float:
        """The least training accuracy of a network that has learned its task; before the images
        have been inspected, that of any task."""
        return ASKED if self.baseline is None else min(self.baseline + MORE, ASKED)

    @property
    def fits(self) -> bool:
        """Whether the network does on its training images what the task allows."""
        return self.train_accuracy is not None and self.train_accuracy >= self.expected

    @property
    def does_badly(self) -> bool:
        """Whether the run has ended without having learned its task: rates are in doubt then."""
        return self.final and (self.broke or not self.fits)

    @property
    def own_range(self) -> RangeTest | None:
        """The range test with the run's own batches."""
        return self.measured.ranges[0] if self.measured.ranges else None

    @property
    def large_range(self) -> RangeTest | None:
        """The range test with larger batches; the run's own where those are large."""
        return self.measured.ranges[-1] if self.measured.ranges else None

    def update(self) -> float | None:
        """Median over the run of the greatest share of a layer's weights that a step changed."""
        shares = [
            max(layer.update for layer in reading.layers if layer.update is not None)
            for reading in self.measured.readings
            if reading.layers and reading.layers[0].update is not None
        ]
        return statistics.median(shares) if shares else None

    def loss_between(self, begin: float, end: float) -> float | None:
        """Mean loss of the mini-batches in a part of the run, from 0 to 1."""
        first, last = begin * self.steps, end * self.steps
        total = count = 0.0
        for stretch in self.measured.stretches:
            middle = stretch.step + stretch.count / 2
            if first < middle <= last:
                total += stretch.mean * stretch.count
                count += stretch.count
        return total / count if count else None

    def improvement(self) -> float:
        """How much of the loss the last quarter of the run took off, compared with the one before.

        In runs of a few steps, what the last epoch took off.
        """
        before, after = self.loss_between(0.5, 0.75), self.loss_between(0.75, 1.0)
        if before is None or after is None:
            return self.last_epoch()
        return 1 - after / before if before > 0 else 0.0

    def last_epoch(self) -> float:
        """How much of the training loss the last epoch took off; of the first loss, the first."""
        losses = [self.first.loss, *(each.metrics["train_loss"] for each in self.measured.epochs)]
        return 1 - losses[-1] / losses[-2] if len(losses) > 1 and losses[-2] > 0 else 0.0
