"""One run of a job: build, drive the loop, measure, export. Says all it has to say as messages."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch import nn

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
from worker.training import checkpoint, method, optimization
from worker.training.augmentation import Augmentation
from worker.training.batches import Images, split
from worker.training.dataset import Dataset
from worker.training.diagnosis.checkup import Checkup
from worker.training.diagnosis.document import of_range_test
from worker.training.environment import choose_device, environment
from worker.training.evaluation import Evaluation, evaluate
from worker.training.loop import Batch, Step
from worker.training.measurements import Measurements
from worker.training.outcome import finished
from worker.training.progress import Pace
from worker.training.range_test import range_test
from worker.training.state import Position, State
from worker.training.tally import Tally


class Stopping(Exception):
    """The run was asked to stop, and does so at a step boundary."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Diverged(Exception):
    """The loss is infinite or not a number."""

    def __init__(self, at: Position) -> None:
        super().__init__(
            "The loss became infinite or not a number by "
            f"mini-batch {at.batch} of epoch {at.epoch} (step {at.step})."
        )


class Run:
    """A job's training from its first step, or from a checkpoint, to its model.

    `report` takes each message; `stop_requested` gives a reason to stop, or None, and is asked
    after every step.
    """

    def __init__(
        self,
        spec: JobSpec,
        dataset: Dataset,
        report: Callable[[Report], None],
        stop_requested: Callable[[], str | None],
    ) -> None:
        self._spec = spec
        description = dataset.description.normalized(spec.dataset.normalization)
        self._dataset = replace(dataset, description=description)
        self._report = report
        self._stop_requested = stop_requested
        self._device = choose_device(spec.resources.device)
        torch.set_num_threads(spec.resources.threads)  # the number changes the last bits
        torch.set_flush_denormal(True)  # a dead unit's velocity decays to them: 16 times slower
        self._state = State(spec, self._device)
        self._net = self._state.net
        self._training, self._validation = split(
            dataset.train_images,
            dataset.train_labels,
            description,
            limit=spec.dataset.limit,
            held_out=spec.dataset.validation_images,
            seed=spec.training.seed,
            device=self._device,
        )
        test_labels = torch.from_numpy(dataset.test_labels).to(torch.int64)
        test_images = torch.from_numpy(dataset.test_images)
        self._test = Images(test_images, test_labels, description, self._device)
        self._classes = len(description.classes)
        counts = self._training.labels.bincount(minlength=self._classes)
        self._criterion = optimization.criterion(spec.training.loss, counts)
        self._pace = Pace(spec)
        self._kept_at = time.monotonic()
        self._checkup = self._watching() if spec.diagnosis else None

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
            self._diagnose(Checkup.diverged)
            raise

    def _train(self) -> Finished:
        self._diagnose(Checkup.begin)
        while self._state.position.epoch <= self._spec.training.epochs and not self._has_waited():
            self._train_epoch()
        if self._state.best.weights:
            self._net.load_state_dict(self._state.best.weights)
        self._report(Log("Finished Training"))
        self._diagnose(Checkup.finish)
        return self._finish()

    def _diagnose(self, look: Callable[..., Diagnosed | None], *about: Any) -> None:
        """Has the diagnosis, if there is one, take a look, and says what it has to say.

        A failure of its own ends the diagnosis, and not the run.
        """
        if self._checkup is None:
            return
        try:
            found = look(self._checkup, *about)
        except Stopping:
            raise
        except Exception as error:
            self._checkup = None
            self._report(Log(f"the diagnosis gave up: {type(error).__name__}: {error}"))
        else:
            if found is not None:
                self._report(found)

    def _test_rates(self, limits: RateRange) -> Measured:
        """A range test as a job of its own."""
        found = range_test(
            self._spec,
            self._training,
            self._criterion,
            limits,
            device=self._device,
            heartbeat=self._heartbeat,
        )
        self._report(Diagnosed(of_range_test(found, limits), []))
        return Measured()

    def _watching(self) -> Checkup:
        images = {"training": self._training, "validation": self._validation, "test": self._test}
        return Checkup(
            self._spec,
            self._state,
            self._criterion,
            images=images,
            batches=self._batches,
            classes=self._classes,
            heartbeat=self._heartbeat,
        )

    @property
    def network(self) -> nn.Module:
        """What is being trained."""
        return self._net

    @property
    def measurements(self) -> Measurements:
        """What its diagnosis rests on."""
        return self._state.measurements

    def rehearse(self) -> Iterator[None]:
        """An epoch's steps and sums without reports, so that they can be timed."""
        self._state.position = Position()
        for step in self._steps():
            self._state.tally.add(step)
            self._set_rate()
            yield

    def _train_epoch(self) -> None:
        """Trains what is left of the epoch, validates, and moves to the next."""
        started_at = time.monotonic()
        training, at = self._spec.training, self._state.position
        self._set_rate()
        for step in self._steps():
            at.batch += 1
            at.step += 1
            self._state.tally.add(step)
            self._diagnose(Checkup.step, step)
            if at.batch % training.log_every == 0:
                loss = self._finite(self._state.tally.running_loss(training.log_every))
                self._report(RunningLoss(at.epoch, at.batch, at.step, loss))
            if progress := self._pace.due(at.epoch, at.step):
                self._finite(self._state.tally.mean_loss())
                self._report(progress)
                self._keep_if_due()
            if reason := self._stop_requested():
                self._stop(reason)
            self._set_rate()
        metrics = self._measure()
        self._report(Epoch(at.epoch, at.step, time.monotonic() - started_at, metrics))
        self._report(self._pace.now(at.epoch, at.step))
        with self._pace.aside():
            self._diagnose(Checkup.epoch, metrics)
        best = self._judge(metrics)
        at.epoch, at.batch = at.epoch + 1, 0
        self._state.tally = Tally(self._device)
        self._keep(best)

    def _steps(self) -> Iterator[Step]:
        """The loop over the rest of the epoch."""
        at = self._state.position
        batches = self._batches(at.epoch, at.batch)
        return method.steps(self._spec, self._state, self._criterion, batches)

    def _batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch from the batch `first` on."""
        training = self._spec.training
        return self._training.shuffled(
            training.batch_size, training.seed, epoch, first, self._augmentation()
        )

    def _augmentation(self) -> Augmentation | None:
        augment = self._spec.dataset.augment
        shape = self._dataset.description.input_shape
        return Augmentation(augment, shape, self._device) if augment else None

    def _set_rate(self) -> None:
        rate = self._state.rate.at(self._state.position.step)
        for group in self._state.optimizer.param_groups:
            group["lr"] = rate

    def _measure(self) -> dict[str, float]:
        """The epoch's metrics."""
        metrics = {
            "train_loss": self._finite(self._state.tally.mean_loss()),
            "train_accuracy": self._state.tally.accuracy(),
            "learning_rate": self._state.rate.at(self._state.position.step - 1),
        }
        if len(self._validation):
            with self._pace.aside():
                validation = self._evaluate(self._validation)
            metrics["validation_loss"] = self._finite(validation.loss)
            metrics["validation_accuracy"] = validation.accuracy
        return metrics

    def _judge(self, metrics: dict[str, float]) -> bool:
        """Lets schedule and early stopping see the metrics; returns whether they are the best."""
        loss = metrics.get("validation_loss")
        self._state.rate.epoch_ended(loss)
        if loss is None:
            return False
        stopping = self._spec.training.early_stopping
        if stopping is not None:
            better = loss if stopping.metric == "validation_loss" else -metrics[stopping.metric]
            if self._state.best.waiting.improves(better, stopping.min_delta):
                self._state.best.weights = checkpoint.network_state(self._net)
        return self._state.best.loss.improves(loss)

    def _has_waited(self) -> bool:
        stopping = self._spec.training.early_stopping
        return stopping is not None and self._state.best.waiting.waited >= stopping.patience

    def _heartbeat(self) -> None:
        """Says that the run is alive, and stops it if asked: its newest checkpoint holds all."""
        if reason := self._stop_requested():
            raise Stopping(reason)
        if beat := self._pace.beat():
            self._report(beat)

    def _stop(self, reason: str) -> NoReturn:
        if reason != "cancel":
            self._keep(best=False)
        raise Stopping(reason)

    def _keep_if_due(self) -> None:
        if time.monotonic() - self._kept_at >= self._spec.training.checkpoint_seconds:
            self._keep(best=False)

    def _keep(self, best: bool) -> None:
        """Reports a checkpoint of this very boundary between two steps."""
        self._diagnose(Checkup.settle)
        content = self._state.encode(self._environment())
        self._diagnose(Checkup.hold, content)
        self._report(Checkpoint(self._state.position.step, best, content))
        self._kept_at = time.monotonic()

    def _resume(self, content: bytes) -> None:
        made_in = self._state.restore(content)
        self._diagnose(Checkup.hold, content)
        changed = checkpoint.differences(made_in, self._environment())
        self._report(Resumed(self._state.position.step, changed))

    def _finite(self, loss: float) -> float:
        """The loss itself.

        Raises:
            Diverged: it is infinite or not a number.
        """
        if not math.isfinite(loss):
            raise Diverged(self._state.position)
        return loss

    def _evaluate(self, images: Images) -> Evaluation:
        return evaluate(self._net, self._criterion, images, self._classes)

    def _finish(self) -> Finished:
        test = self._evaluate(self._test)
        if not math.isfinite(test.loss):  # by the last step, where no validation set could see it
            at = self._state.position
            raise Diverged(Position(at.epoch - 1, self._spec.steps_per_epoch, at.step))
        return finished(
            self._spec,
            self._dataset,
            self._net,
            test=test,
            metrics=self._restored(),
            provenance=self._environment(),
        )

    def _restored(self) -> dict[str, float]:
        """Metrics of early stopping's weights on validation images: the last epoch's did worse."""
        if not self._state.best.weights:
            return {}
        validation = self._evaluate(self._validation)
        return {
            "validation_loss": validation.loss,
            "validation_accuracy": validation.accuracy,
        }

    def _environment(self) -> dict[str, Any]:
        return environment(self._device) | {
            "dataset_sha256": self._dataset.description.sha256,
            "gradient": method.name(self._spec, self._device),
        }
