"""One run of a job: build, drive the loop, measure, finish. It reports all that it has to say."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn

from torch import nn

from app.codes import StopReason
from app.jobspec import JobSpec, RateRange
from worker.messages import (
    Checkpoint,
    Diagnosed,
    Epoch,
    Finished,
    Log,
    Measured,
    Report,
    Resumed,
    RunningLoss,
    Started,
)
from worker.training import environment, losses, method, outcome, suspects
from worker.training.augmentation import Augmentation
from worker.training.backbone import Backbone
from worker.training.dataset import Dataset, Description
from worker.training.diagnosis.checkup import Checkup
from worker.training.diagnosis.document import of_range_test
from worker.training.evaluation import evaluate
from worker.training.features import Features
from worker.training.interruptions import Diverged, Stopping
from worker.training.loop import Batch, Step
from worker.training.measurements import Measurements
from worker.training.observer import Observer
from worker.training.parallel import Workers
from worker.training.range_test import range_test
from worker.training.running_metrics import RunningMetrics
from worker.training.splits import split
from worker.training.state import Position, State
from worker.training.throughput import Throughput


class Run:
    """A job's training from its first step, or from a checkpoint, to its model.

    `report` takes each message. `stop_requested` is asked after every step, where steps are made
    in blocks after each block; it gives a reason to stop, or None.
    """

    def __init__(
        self,
        spec: JobSpec,
        dataset: Dataset,
        report: Callable[[Report], None],
        stop_requested: Callable[[], StopReason | None],
        backbone: Backbone | None = None,
        *,
        workers: Workers | None = None,
    ) -> None:
        self._spec, self._workers = spec, workers
        scale = "unit" if backbone else spec.dataset.normalization  # a backbone has its own
        description = dataset.description.normalized(scale)
        self._dataset = replace(dataset, description=description)
        self._report = report
        self._stop_requested = stop_requested
        self._device = environment.choose_device(spec.resources.device)
        environment.prepare(spec, self._device)
        self._backbone = backbone
        fine_tuned = None if backbone is None or spec.model.frozen else backbone.weights
        self._state = State(spec, self._device, fine_tuned)
        self._throughput = Throughput(spec)
        self._splits = split(spec, self._dataset, self._device)
        if backbone is not None and spec.model.frozen:
            features = Features(backbone, spec, self._dataset, self._device)
            self._splits = features.of(self._splits, report, self._heartbeat)
        self._classes = len(description.classes)
        counts = self._splits.training.labels.bincount(minlength=self._classes)
        self._criterion = losses.criterion(spec.training.loss, counts, spec.model.output)
        self._kept_at = time.monotonic()
        self._observer = Observer(self._checkup() if spec.diagnosis else None, report)

    def run(self, resume_from: bytes | None = None) -> Finished | Measured:
        """Trains, measures, and returns the model with what is known of it.

        A range test trains no model and returns none.

        Raises:
            Stopping: a stop was requested.
            Diverged: the loss is not finite.
        """
        self._report(Started(self._environment()))
        if self._spec.lr_range is not None:
            return self._test_rates(self._spec.lr_range)
        if resume_from is not None:
            self._resume(resume_from)
        try:
            return self._train()
        except Diverged:
            self._observer.look(Checkup.diverged)
            raise

    def _train(self) -> Finished:
        self._observer.look(Checkup.begin)
        while not self._state.has_ended(self._spec.training):
            self._train_epoch()
        if self._state.best.weights:
            self._state.net.load_state_dict(self._state.best.weights)
            self._report(Log(self._state.about_best(self._spec.training)))
        self._report(Log("Finished Training"))
        doubtful = suspects.find(self._state.net, self._splits.training, self._classes)
        self._observer.look(Checkup.finish, doubtful)
        return outcome.finish(
            self._spec,
            self._dataset,
            self._splits,
            self._state,
            self._criterion,
            backbone=self._backbone,
            suspects=doubtful.worst,
            provenance=self._environment() | environment.peak_memory(self._device),
        )

    def _test_rates(self, limits: RateRange) -> Measured:
        """A range test as a job of its own."""
        found = range_test(
            self._spec,
            self._splits.training,
            self._criterion,
            limits,
            device=self._device,
            pretrained=self._state.pretrained,
            heartbeat=self._heartbeat,
        )
        self._report(Diagnosed(of_range_test(found, limits), []))
        return Measured()

    def _checkup(self) -> Checkup:
        return Checkup(
            self._spec,
            self._state,
            self._criterion,
            images=self._splits._asdict(),
            batches=self._batches,
            classes=self._classes,
            heartbeat=self._heartbeat,
            tell=lambda what: self._report(Log(what)),
        )

    @property
    def network(self) -> nn.Sequential:
        """What is being trained."""
        return self._state.net

    @property
    def measurements(self) -> Measurements:
        """What the diagnosis is based on."""
        return self._state.measurements

    def rehearse(self) -> Iterator[int]:
        """The steps and running metrics of an epoch without reports, so that they can be timed.

        At each boundary it yields how many steps there were since the last one.
        """
        self._state.position, boundary = Position(), 0
        for number, step in enumerate(self._steps(), 1):
            self._add(step)
            self._state.set_rate()
            if step.is_boundary:
                yield number - boundary
                boundary = number

    def _train_epoch(self) -> None:
        """Trains what is left of the epoch, validates, and moves to the next."""
        started_at = time.monotonic()
        training, at = self._spec.training, self._state.position
        self._state.set_rate()
        with closing(self._steps()) as steps:
            for step in steps:
                at.batch += 1
                at.step += 1
                self._add(step)
                self._observer.look(Checkup.step, step)
                if at.batch % training.log_every == 0:
                    loss = self._finite(self._state.running.running_loss())
                    self._report(RunningLoss(at.epoch, at.batch, at.step, loss))
                if progress := self._throughput.due(at.epoch, at.step):
                    self._finite(self._state.running.mean_loss())
                    self._report(progress)
                if step.is_boundary:
                    self._keep_if_due()
                    if reason := self._stop_requested():
                        self._stop(reason)
                self._state.set_rate()
        metrics = self._measure()
        self._report(Epoch(at.epoch, at.step, time.monotonic() - started_at, metrics))
        self._report(self._throughput.now(at.epoch, at.step))
        with self._throughput.excluding():
            self._observer.look(Checkup.epoch, metrics)
        self._state.judge(training.early_stopping, metrics)
        at.epoch, at.batch = at.epoch + 1, 0
        self._state.running = RunningMetrics(self._device)
        self._keep()

    def _steps(self) -> Generator[Step, None, None]:
        """The loop over the rest of the epoch."""
        at = self._state.position
        batches = self._batches(at.epoch, at.batch)
        return method.steps(self._spec, self._state, self._criterion, batches, self._workers)

    def _batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch from the batch `first` on."""
        training = self._spec.training
        batches = self._splits.training.shuffled(
            training.batch_size, training.seed, epoch, first, self._augmentation()
        )
        return islice(batches, self._spec.steps_per_epoch - first)

    def _augmentation(self) -> Augmentation | None:
        augment = self._spec.dataset.augment
        shape = self._dataset.description.input_shape
        return Augmentation(augment, shape, self._device) if augment else None

    def _add(self, step: Step) -> None:
        """Counts a step in the running metrics."""
        self._state.running.add(step, losses.weight(self._criterion, step.labels))

    def _measure(self) -> dict[str, float]:
        """The epoch's metrics."""
        metrics = {
            "train_loss": self._finite(self._state.running.mean_loss()),
            "train_accuracy": self._state.running.accuracy(),
            "learning_rate": self._state.rate.at(self._state.position.step - 1),
        }
        held_out = self._splits.validation
        if len(held_out):
            with self._throughput.excluding():
                validation = evaluate(self._state.net, self._criterion, held_out, self._classes)
            metrics["validation_loss"] = self._finite(validation.loss)
            metrics["validation_accuracy"] = validation.accuracy
            stopping = self._spec.training.early_stopping
            if stopping is not None and stopping.score is not None:
                found = validation.score(stopping.score)
                if found is not None:
                    metrics[stopping.metric] = found
        return metrics

    def _heartbeat(self) -> None:
        """Reports that the run is alive; stops it if asked to: the newest checkpoint holds all."""
        if reason := self._stop_requested():
            raise Stopping(reason)
        if beat := self._throughput.heartbeat():
            self._report(beat)

    def _stop(self, reason: StopReason) -> NoReturn:
        if reason is not StopReason.CANCEL:
            self._keep()
        raise Stopping(reason)

    def _keep_if_due(self) -> None:
        if time.monotonic() - self._kept_at >= self._spec.training.checkpoint_seconds:
            self._keep()

    def _keep(self) -> None:
        """Reports a checkpoint of this boundary between two steps."""
        self._observer.look(Checkup.settle)
        content = self._state.encode(self._environment())
        self._observer.look(Checkup.hold, content)
        self._report(Checkpoint(self._state.position.step, content))
        self._kept_at = time.monotonic()

    def _resume(self, content: bytes) -> None:
        made_in = self._state.restore(content)
        if self._backbone is not None:
            self._backbone.check_same(made_in.get("backbone_sha256"))
        self._observer.look(Checkup.hold, content)
        changed = environment.changes(made_in, self._environment(), self._spec)
        self._report(Resumed(self._state.position.step, changed))

    def _finite(self, loss: float) -> float:
        """The loss itself.

        Raises:
            Diverged: it is infinite or not a number.
        """
        if not math.isfinite(loss):
            raise Diverged(self._state.position)
        return loss

    def _environment(self) -> dict[str, Any]:
        backbone = {"backbone_sha256": self._backbone.sha256} if self._backbone else {}
        description = self._dataset.description
        dataset = {"dataset_sha256": description.sha256}
        if isinstance(description, Description) and description.test_of is not None:
            dataset["test_of_sha256"] = description.test_of
        return environment.described(self._spec, self._device) | backbone | dataset
