"""One run of a job: build, drive the loop, measure, export. Says all it has to say as messages."""

import math
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from app.jobspec import JobSpec
from worker.messages import Epoch, Finished, Log, Report, RunningLoss, Started
from worker.training import export, networks, optimization
from worker.training.batches import Images, split
from worker.training.dataset import Dataset
from worker.training.evaluation import Evaluation, evaluate
from worker.training.loop import Step, train
from worker.training.progress import Pace


class Stopping(Exception):
    """The run was asked to stop, and does so at a step boundary."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Diverged(Exception):
    """The loss is infinite or not a number."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__(
            f"The loss became infinite or not a number by mini-batch {batch} of epoch {epoch}."
        )


class DeviceUnavailable(Exception):
    """The spec asks for a device that this worker does not have."""

    def __init__(self, device: str) -> None:
        super().__init__(f"This worker has no {device} device.")


class Run:
    """A job's training from its first step to its model.

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
        self._dataset = dataset
        self._report = report
        self._stop_requested = stop_requested
        self._device = choose_device(spec.resources.device)
        torch.set_num_threads(spec.resources.threads)  # the number changes the last bits
        torch.manual_seed(spec.training.seed)
        self._net = networks.build(spec).to(self._device)
        self._criterion = optimization.criterion(spec.training.loss)
        self._optimizer = optimization.optimizer(spec.training.optimizer, self._net.parameters())
        self._training, self._validation = split(
            dataset.train_images,
            dataset.train_labels,
            dataset.description,
            limit=spec.dataset.limit,
            held_out=spec.dataset.validation_images,
            seed=spec.training.seed,
            device=self._device,
        )
        self._pace = Pace(spec)
        self._step = 0

    def run(self) -> Finished:
        """Trains, measures, and returns the model with what is known of it.

        Raises:
            Stopping: a stop was requested.
            Diverged: the loss is not finite.
        """
        self._report(Started(self._environment()))
        for epoch in range(1, self._spec.training.epochs + 1):
            self._train_epoch(epoch)
        self._report(Log("Finished Training"))
        return self._finish()

    def _train_epoch(self, epoch: int) -> None:
        started_at = time.monotonic()
        training = self._spec.training
        batches = self._training.shuffled(training.batch_size, training.seed, epoch)
        running, seen = Sums(self._device), Sums(self._device)
        for batch, step in enumerate(
            train(self._net, self._criterion, self._optimizer, batches), start=1
        ):
            self._step += 1
            running.add(step)
            seen.add(step)
            if batch % training.log_every == 0:
                loss = finite(running.mean_batch_loss(), epoch, batch)
                self._report(RunningLoss(epoch, batch, self._step, loss))
                running = Sums(self._device)
            if progress := self._pace.due(epoch, self._step):
                finite(seen.mean_loss(), epoch, batch)
                self._report(progress)
            if reason := self._stop_requested():
                raise Stopping(reason)
        metrics = {
            "train_loss": finite(seen.mean_loss(), epoch, batch),
            "train_accuracy": seen.accuracy(),
        }
        if len(self._validation):
            with self._pace.aside():
                validation = self._evaluate(self._validation)
            metrics["validation_loss"] = finite(validation.loss, epoch, batch)
            metrics["validation_accuracy"] = validation.accuracy
        self._report(Epoch(epoch, self._step, time.monotonic() - started_at, metrics))
        self._report(self._pace.now(epoch, self._step))

    def _evaluate(self, images: Images) -> Evaluation:
        classes = len(self._dataset.description.classes)
        return evaluate(self._net, self._criterion, images, classes)

    def _finish(self) -> Finished:
        dataset = self._dataset
        description = dataset.description
        pixels, labels = (
            torch.from_numpy(dataset.test_images),
            torch.from_numpy(dataset.test_labels),
        )
        test = self._evaluate(Images(pixels, labels.to(torch.int64), description, self._device))
        net = self._net.cpu()
        signature: dict[str, Any] = {
            "input_shape": description.input_shape,
            "pixel_range": description.pixel_range,
            "classes": description.classes,
        }
        provenance = self._environment() | {"dataset_sha256": description.sha256}
        metadata = {"spec": self._spec.model_dump(mode="json"), **signature}
        metadata |= {"mean": description.mean, "std": description.std}
        return Finished(
            signature=signature,
            metrics={
                "test_loss": test.loss if math.isfinite(test.loss) else None,
                "test_accuracy": test.accuracy,
                "confusion_matrix": test.confusion,
            },
            provenance=provenance,
            weights_sha256=export.weights_sha256(net),
            weights=export.weights(net, metadata),
            onnx=export.onnx(net, description),
        )

    def _environment(self) -> dict[str, Any]:
        """What the weights depend on beside spec and dataset."""
        return {
            "device": self._device.type,
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "cpu": torch.backends.cpu.get_cpu_capability(),
        }


class Sums:
    """Loss and right answers of some steps, summed as tensors: reading one would wait for it."""

    def __init__(self, device: torch.device) -> None:
        self._batches = 0
        self._samples = 0
        self._batch_loss = torch.zeros((), dtype=torch.float64, device=device)
        self._sample_loss = torch.zeros((), dtype=torch.float64, device=device)
        self._right = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, step: Step) -> None:
        """Counts a step in."""
        self._batches += 1
        self._samples += len(step.labels)
        self._batch_loss += step.loss
        self._sample_loss.add_(step.loss, alpha=len(step.labels))
        self._right += (step.outputs.argmax(1) == step.labels).sum()

    def mean_batch_loss(self) -> float:
        """Mean over the batches of their mean loss: the textbook's running loss."""
        return self._batch_loss.item() / self._batches

    def mean_loss(self) -> float:
        """Mean loss over the samples."""
        return self._sample_loss.item() / self._samples

    def accuracy(self) -> float:
        """Share of right answers, each as the network was when it gave it."""
        return self._right.item() / self._samples


def choose_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`.

    Raises:
        DeviceUnavailable: there is none of the wanted kind.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise DeviceUnavailable(wanted)
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def finite(loss: float, epoch: int, batch: int) -> float:
    """The loss itself.

    Raises:
        Diverged: it is infinite or not a number.
    """
    if not math.isfinite(loss):
        raise Diverged(epoch, batch)
    return loss
