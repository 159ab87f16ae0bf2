"""The diagnosis of one run: measures it, says what is found while it trains, and judges it at its
end."""

import itertools
import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

from app.jobspec import JobSpec, RateRange
from worker.messages import Diagnosed
from worker.training.batches import Images
from worker.training.diagnosis import batch_rules, imbalance_rules, nonfinite, rules
from worker.training.diagnosis.batch_rules import LARGE_BATCH
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.document import document
from worker.training.diagnosis.findings import Finding
from worker.training.diagnosis.inspection import inspect
from worker.training.diagnosis.recorder import Recorder
from worker.training.diagnosis.trials import Trials, with_training
from worker.training.evaluation import evaluate
from worker.training.loop import Batch, Step
from worker.training.measurements import Ending
from worker.training.range_test import range_test
from worker.training.state import State
from worker.training.suspects import Suspects

SAMPLE = 1000
"""How many training images, and validation images, the trained network is judged on."""
LONG = 100_000
"""Images, over all epochs, from which on a run's dataset is inspected after the first epoch."""
LARGEST_BATCH = 256
"""Batch size of a range test at most: the gradient of more images is hardly less noisy."""
HELD_BYTES = 64 * 2**20
"""Larger snapshots are not kept in memory; such a run is trained again from its seed."""
SAY_SECONDS = 5.0
"""Seconds after which the same findings are said again, with newer numbers."""


class Checkup:
    """The diagnosis of one run; `images` are those of training, validation and test by name.

    `heartbeat` is called at each step that the diagnosis makes by itself, such as those of a range
    test; an exception that it raises ends that. `tell` is given what takes a while, in words.
    """

    def __init__(
        self,
        spec: JobSpec,
        state: State,
        criterion: nn.Module,
        *,
        images: dict[str, Images],
        batches: nonfinite.Batches,
        classes: int,
        heartbeat: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._state = state
        self._criterion = criterion
        self._images = images
        self._batches = batches
        self._classes = classes
        self._heartbeat = heartbeat
        self._tell = tell
        self._recorder = Recorder(state, criterion, images["training"], spec.training.batch_size)
        self._snapshot: bytes | None = None
        self._said_at = -math.inf

    def begin(self) -> None:
        """Measures the network before its first step."""
        if self._state.position.step and not self._state.measurements.readings:
            with torch.random.fork_rng(devices=[]):  # the run began without diagnosis
                self._recorder.look_back(self._fresh().net)
        self._recorder.begin()

    def step(self, step: Step) -> Diagnosed | None:
        """Takes a step in; returns what there is to say. Within a block the network is not read."""
        self._recorder.add(step)
        if not step.is_boundary or not self._recorder.due():
            return None
        self._recorder.read()
        return self._speak()

    def epoch(self, metrics: dict[str, float]) -> None:
        """Takes an epoch's metrics in."""
        self._recorder.epoch(metrics)
        if self._spec.training.epochs * len(self._images["training"]) >= LONG:
            self._inspect()

    def settle(self) -> None:
        """Sums up the losses since the last time, so that a snapshot holds them."""
        self._recorder.sum_up()

    def hold(self, snapshot: bytes) -> None:
        """Keeps the newest snapshot, to train again from it if numbers become infinite."""
        self._snapshot = snapshot if len(snapshot) <= HELD_BYTES else None

    def finish(self, suspects: Suspects) -> Diagnosed:
        """Measures the trained network, tests rates where they are in doubt, and judges the run.

        `suspects` is what it says of the labels that it was trained on.
        """
        self._recorder.sum_up()
        self._recorder.read()
        measurements = self._state.measurements
        self._inspect()
        measurements.ending = self._ending(suspects)
        return self._judge()

    def diverged(self) -> Diagnosed:
        """Finds where the numbers broke, by training again, and judges the run."""
        self._recorder.sum_up()
        measurements = self._state.measurements
        self._inspect()
        measurements.non_finite = nonfinite.locate(
            self._spec, self._state, self._criterion, self._watched, self._snapshot
        )
        return self._judge()

    def _judge(self) -> Diagnosed:
        case = Case(self._spec, self._state.measurements, self._classes, final=True)
        if case.does_badly:
            self._tell("the network has not learned its task: learning rates are tested")
            self._test_rates()
        self._try_what_may_help(case)
        return self._said_now(rules.findings(case), final=True)

    def _try_what_may_help(self, case: Case) -> None:
        trials = Trials(
            self._spec,
            self._state,
            self._criterion,
            self._images["training"],
            sample=self._images["training"].sample(SAMPLE),
            classes=self._classes,
            heartbeat=self._heartbeat,
        )
        measured = self._state.measurements
        if batch_rules.may_be_too_small(case):
            measured.larger = trials.larger_batches()
        if case.does_badly and self._spec.dataset.augment is not None:
            measured.undistorted = trials.without_augmentation()
        if case.may_be_too_fast:
            epochs = range(1, self._spec.training.epochs + 1)
            own = itertools.chain.from_iterable(self._watched(each, 0) for each in epochs)
            measured.trial = trials.lower_rate(own)
        if measured.ending is not None and imbalance_rules.may_be_weighed(case):
            measured.balanced = trials.balanced_weights(measured.ending.train_recall or 0.0)

    def _speak(self) -> Diagnosed | None:
        case = Case(self._spec, self._state.measurements, self._classes, final=False)
        findings = rules.findings(case)
        new = {finding.code for finding in findings} - set(self._state.measurements.said)
        if not new and time.monotonic() - self._said_at < SAY_SECONDS:
            return None
        return self._said_now(findings, final=False)

    def _said_now(self, findings: list[Finding], *, final: bool) -> Diagnosed:
        self._said_at = time.monotonic()
        at = self._state.position
        epoch = min(at.epoch, self._spec.training.epochs)  # at its end a run stands before the next
        measured = self._state.measurements
        said = document(self._spec, findings, measured, (epoch, at.step), final=final)
        new = [each for each in said["findings"] if each["code"] not in measured.said]
        measured.said += [each["code"] for each in new]
        return Diagnosed(said, new)

    def _inspect(self) -> None:
        if self._state.measurements.inspection is None:
            others = {name: self._images[name] for name in ("validation", "test")}
            training = self._images["training"]
            self._state.measurements.inspection = inspect(training, others, self._classes)

    def _ending(self, suspects: Suspects) -> Ending:
        net, criterion = self._state.net, self._criterion
        training = self._images["training"].sample(SAMPLE)
        found = evaluate(net, criterion, training, self._classes)
        validation = None
        if len(self._images["validation"]):
            sample = self._images["validation"].sample(SAMPLE)
            validation = evaluate(net, criterion, sample, self._classes)
        confusion = (validation or found).confusion
        return Ending(
            train_accuracy=found.accuracy,
            train_loss=found.loss,
            counts=[sum(row) for row in confusion],
            train_recall=found.score("balanced_accuracy"),
            doubted=suspects.doubted / suspects.asked,
            unsure=suspects.unsure / suspects.asked,
            validation_accuracy=validation.accuracy if validation else None,
            recalls=[
                row[label] / sum(row) if sum(row) else -1.0 for label, row in enumerate(confusion)
            ],
        )

    def _watched(self, epoch: int, first: int) -> Iterator[Batch]:
        """The run's batches once more."""
        for batch in self._batches(epoch, first):
            self._heartbeat()
            yield batch

    def _test_rates(self) -> None:
        """The range test with the run's batches, and with larger ones where they are small."""
        own = min(self._spec.training.batch_size, LARGEST_BATCH)
        sizes = [own] if own >= LARGE_BATCH else [own, LARGE_BATCH]
        self._state.measurements.ranges = [
            range_test(
                with_training(self._spec, batch_size=size, gradient_clipping=None),
                self._images["training"],
                self._criterion,
                RateRange(),
                device=self._state.device,
                pretrained=self._state.pretrained,
                heartbeat=self._heartbeat,
            )
            for size in sizes
        ]

    def _fresh(self) -> State:
        """The run before its first step."""
        return State(self._spec, self._state.device, self._state.pretrained)
