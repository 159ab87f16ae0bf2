"""Trials: fresh copies of a network, each trained for a while with one thing changed.

What they learn says which change would help.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn

from app.jobspec import JobSpec
from worker.training import losses, method
from worker.training.batches import Images
from worker.training.diagnosis.batch_rules import LARGE_BATCH
from worker.training.diagnosis.imbalance_rules import bears
from worker.training.evaluation import evaluate
from worker.training.loop import Batch
from worker.training.measurements import Trial
from worker.training.range_test import endless
from worker.training.state import State

STEPS, PART = 800, 3
"""A trial takes at most 800 steps, and mostly at most a third of the run's."""


class Trials:
    """Of one run, on its training images; what they learned is measured on a sample of these.

    `heartbeat` is called at each step; an exception that it raises ends a trial.
    """

    def __init__(
        self,
        spec: JobSpec,
        state: State,
        criterion: nn.Module,
        images: Images,
        *,
        sample: Images,
        classes: int,
        heartbeat: Callable[[], None],
    ) -> None:
        self._spec = spec
        self._state = state
        self._criterion = criterion
        self._images = images
        self._sample = sample
        self._classes = classes
        self._heartbeat = heartbeat

    def lower_rate(self, batches: Iterator[Batch]) -> Trial | None:
        """With a tenth of the rate, on the run's own batches."""
        return self._trained(self._slower(self._spec, 10), self._steps, batches=batches)

    def larger_batches(self) -> Trial | None:
        """For as many images as the run was to see."""
        size = self._spec.training.batch_size
        steps = min(STEPS, self._spec.steps * size // LARGE_BATCH)
        return self._trained(with_training(self._spec, batch_size=LARGE_BATCH), steps)

    def without_augmentation(self) -> Trial | None:
        """On the images as they are."""
        dataset = self._spec.dataset.model_copy(update={"augment": None})
        return self._trained(self._spec.model_copy(update={"dataset": dataset}), self._steps)

    def balanced_weights(self, recall: float) -> Trial | None:
        """For as many steps as the run made, with its rate; with a tenth of it if the mean recall
        would fall far below the run's."""
        loss = self._spec.training.loss.model_copy(update={"class_weights": "balanced"})
        counts = self._images.labels.bincount(minlength=self._classes)
        criterion = losses.criterion(loss, counts, self._spec.model.output)
        spec = with_training(self._spec, loss=loss)
        steps = min(STEPS, self._state.position.step)
        found = None
        for times in (1, 10):
            found = self._trained(self._slower(spec, times), steps, criterion)
            if found is None or bears(found.recall, recall):
                break
        return found

    @property
    def _steps(self) -> int:
        return min(STEPS, self._state.position.step // PART)

    @staticmethod
    def _slower(spec: JobSpec, times: int) -> JobSpec:
        optimizer = spec.training.optimizer
        slower = optimizer.model_copy(update={"lr": optimizer.lr / times})
        return with_training(spec, optimizer=slower)

    def _trained(
        self,
        spec: JobSpec,
        steps: int,
        criterion: nn.Module | None = None,
        *,
        batches: Iterator[Batch] | None = None,
    ) -> Trial | None:
        """By a changed spec, without augmentation and at a constant rate unless the batches are
        given; None where there is no time for a step."""
        if not steps:
            return None
        with torch.random.fork_rng(devices=[]):
            copy = State(spec, self._state.device, self._state.pretrained)
            few = islice(batches or endless(spec, self._images, self._heartbeat), steps)
            for _ in method.steps(spec, copy, criterion or self._criterion, few):
                pass
        found = evaluate(copy.net, self._criterion, self._sample, self._classes)
        return Trial(
            spec.training.optimizer.lr, steps, found.loss, found.score("balanced_accuracy")
        )


def with_training(spec: JobSpec, **changes: Any) -> JobSpec:
    """The spec with some fields of its training changed, without validation."""
    training = spec.training.model_copy(update=changes)
    return spec.model_copy(update={"training": training})
