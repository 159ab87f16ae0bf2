"""What the rules judge: a run's measurements with its spec, and what follows from both."""

import math
import statistics

from app.jobspec import JobSpec
from worker.training import losses
from worker.training.measurements import Measurements, RangeTest, Reading, Trial
from worker.training.optimization import LearningRate

MORE = 0.02
"""Least difference of training accuracy to the nearest neighbour's accuracy on other images."""
ASKED = 0.955
"""No higher training accuracy is asked for, however good the nearest neighbour is."""
ENOUGH = 0.97
"""Training accuracy from which on a run needs no improvement."""
MOSTLY = 0.5
"""Fraction of the steps from which on a schedule has made the rate a low one."""
LEFT = 0.5
"""A trial has learned what the run has not if it left less than this fraction of the loss."""
NO_CLASS_MORE = 0.02
"""A network whose mean recall is this near to that of naming one class alone does so."""
EPSILON = {"adam": 1e-8, "adamw": 1e-8, "rmsprop": 1e-8, "adagrad": 1e-10}
"""What adaptive optimizers add to the size of a gradient before they divide by it (PyTorch)."""


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
        return losses.of_a_guess(self.spec.training.loss, self.classes)

    @property
    def baseline(self) -> float | None:
        """Accuracy of the nearest neighbour among training images; None before the inspection."""
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
        """Whether the training accuracy is at least the expected one, and not by naming one class
        alone, which is right for nearly all images where nearly all are of it."""
        if self.train_accuracy is None or self._names_one_class:
            return False
        return self.train_accuracy >= self.expected

    @property
    def _names_one_class(self) -> bool:
        ending = self.measured.ending
        if ending is None or ending.train_recall is None:
            return False
        return ending.train_recall < 1 / self.classes + NO_CLASS_MORE

    @property
    def does_badly(self) -> bool:
        """Whether the run has ended without having learned its task."""
        return self.final and (self.broke or not self.fits)

    @property
    def may_be_too_fast(self) -> bool:
        """Whether a tenth of the rate should be tried: the run has ended below a high accuracy,
        and its schedule has not lowered the rate so far itself."""
        if not self.final or self.broke or (self.train_accuracy or 0.0) >= ENOUGH:
            return False
        return self.steps_below(self.spec.training.optimizer.lr / 10) < MOSTLY

    def learned_more(self, trial: Trial | None) -> bool:
        """Whether a trial left at most half of the run's loss, and of that of an even guess."""
        if trial is None:
            return False
        ending = self.measured.ending
        left = None if ending is None else ending.train_loss
        most = self.chance_loss if left is None else min(self.chance_loss, left)
        least = losses.least(self.spec.training.loss, self.classes)
        return trial.train_loss - least < LEFT * (most - least)

    @property
    def first_rate(self) -> float:
        """The greatest learning rate of the run, times what clipping left of the first gradient."""
        return self.spec.training.optimizer.lr * self._left_by_clipping(self.first)

    @property
    def rate(self) -> float:
        """The same with what clipping left of the gradient at the median of the readings."""
        left = [self._left_by_clipping(reading) for reading in self.measured.readings]
        return self.spec.training.optimizer.lr * statistics.median(left)

    def _left_by_clipping(self, reading: Reading) -> float:
        """Fraction of a step that gradient clipping leaves; 1 without clipping.

        Steps of sgd are as long as the gradient. Those of adaptive optimizers do not depend on its
        length until its elements are as small as the optimizer's epsilon.
        """
        training = self.spec.training
        limit = training.gradient_clipping
        norm = math.hypot(*(layer.gradient for layer in reading.layers))
        if limit is None or not 0 < norm < math.inf:
            return 1.0
        # a mini-batch's gradient is longer than the mean of many: McCandlish et al. 2018, eq. 2.6
        norm *= math.sqrt(1 + max(reading.noise or 0.0, 0.0) / training.batch_size)
        if training.optimizer.name == "sgd":
            return min(1.0, limit / norm)
        element = min(limit, norm) / math.sqrt(self.spec.parameters)
        return element / (element + EPSILON[training.optimizer.name])

    def steps_below(self, rate: float) -> float:
        """Fraction of the run's steps that were made with a lower learning rate, as scheduled."""
        schedule = self.spec.training.schedule
        if schedule is not None and schedule.name == "reduce_on_plateau":  # it follows the losses
            used = [each.metrics["learning_rate"] for each in self.measured.epochs]
        else:
            rates = LearningRate(self.spec)
            used = [rates.at(self.steps * at // 200) for at in range(200)]
        return sum(each < rate for each in used) / len(used) if used else 0.0

    @property
    def own_range(self) -> RangeTest | None:
        """The range test with the run's own batches."""
        return self.measured.ranges[0] if self.measured.ranges else None

    @property
    def large_range(self) -> RangeTest | None:
        """The range test with larger batches; the run's own where those are large."""
        return self.measured.ranges[-1] if self.measured.ranges else None

    def update(self) -> float | None:
        """Median over the run of the greatest fraction of a layer's weights that a step changed."""
        fractions = [
            max(layer.update for layer in reading.layers if layer.update is not None)
            for reading in self.measured.readings
            if reading.layers and reading.layers[0].update is not None
        ]
        return statistics.median(fractions) if fractions else None

    def loss_between(self, begin: float, end: float) -> float | None:
        """Mean loss of the mini-batches between two fractions of the run's steps."""
        first, last = begin * self.steps, end * self.steps
        total = count = 0.0
        for stretch in self.measured.stretches:
            middle = stretch.step + stretch.count / 2
            if first < middle <= last:
                total += stretch.mean * stretch.count
                count += stretch.count
        return total / count if count else None

    def improvement(self) -> float:
        """Fraction by which the last quarter of the run lowered the loss of the quarter before.

        In runs of a few steps, the fraction by which the last epoch lowered it.
        """
        before, after = self.loss_between(0.5, 0.75), self.loss_between(0.75, 1.0)
        if before is None or after is None:
            return self.last_epoch()
        return 1 - after / before if before > 0 else 0.0

    def last_epoch(self) -> float:
        """Fraction by which the last epoch lowered the training loss.

        Of the first epoch, by which it lowered the loss before the first step.
        """
        losses = [self.first.loss, *(each.metrics["train_loss"] for each in self.measured.epochs)]
        return 1 - losses[-1] / losses[-2] if len(losses) > 1 and losses[-2] > 0 else 0.0
