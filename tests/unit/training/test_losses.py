"""Class weights: every mean of losses is a weighted mean, whatever the mini-batches are."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.jobspec import JobSpec
from tests.unit.training.runs import of, run
from worker.messages import Epoch, RunningLoss
from worker.training import losses, networks
from worker.training.batches import Images
from worker.training.dataset import Dataset
from worker.training.evaluation import evaluate
from worker.training.running_metrics import RunningMetrics, upgraded
from worker.training.splits import split

CPU = torch.device("cpu")
WEIGHTS = [0.0, 0.5, 0.0, 3.0, 1.0, 0.0, 2.0, 0.0, 0.25, 7.0]


def spec(gradient: str, weights: list[float], smoothing: float = 0.0, **training: Any) -> JobSpec:
    loss = {"class_weights": weights, "label_smoothing": smoothing}
    fields = {"epochs": 1, "batch_size": 4, "log_every": 10, "gradient": gradient, "loss": loss}
    return JobSpec.model_validate(
        {
            "dataset": {"name": "digits", "limit": 300},
            "model": {"hidden": [16]},
            "training": fields | training,
        }
    )


@torch.no_grad()
def whole_mean(net: nn.Module, images: Images, weights: list[float], smoothing: float) -> float:
    """The weighted mean over all images at once, in float64 and written out."""
    pixels, labels = images.all()
    log_p = deepcopy(net).double()(pixels.double()).log_softmax(1)
    w = torch.tensor(weights, dtype=torch.float64)
    label_loss = -log_p.gather(1, labels[:, None])[:, 0]
    smooth_loss = -log_p.mean(1)
    total = (w[labels] * ((1 - smoothing) * label_loss + smoothing * smooth_loss)).sum()
    return float(total / w[labels].sum())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gradient", ["autograd", "chain_rule"])
def test_means_of_weighted_losses_are_those_of_the_whole_dataset(
    digits: Dataset, gradient: str, smoothing: float
) -> None:
    """At a rate of nearly zero the network stays as it is. Every batch has some weight."""
    weights = [max(each, 0.1) for each in WEIGHTS]
    job = spec(gradient, weights, smoothing, optimizer={"lr": 1e-12, "momentum": 0.0})
    finished, reports = run(job, digits)
    torch.manual_seed(job.training.seed)
    net = networks.build(job)
    splits = split(job, digits, CPU)
    expected = [whole_mean(net, images, weights, smoothing) for images in splits]
    metrics = of(Epoch, reports)[0].metrics
    found = [metrics["train_loss"], metrics["validation_loss"], finished.metrics["test_loss"]]
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gradient", ["autograd", "chain_rule"])
def test_batches_without_weight_are_passed_over(digits: Dataset, gradient: str) -> None:
    """With a batch of one image many have weight 0: they count nowhere, and the run goes on."""
    job = spec(gradient, WEIGHTS, batch_size=1, log_every=1, optimizer={"lr": 0.001})
    finished, reports = run(job, digits)
    running = [line.loss for line in of(RunningLoss, reports)]
    assert running.count(0.0) > 50
    assert finished.metrics["test_accuracy"] > 0.2
    labels = torch.cat([batch for _, batch in split(job, digits, CPU).training.shuffled(1, 0, 1)])
    w = torch.tensor(WEIGHTS, dtype=torch.float64)[labels]
    mean = float((w * torch.tensor(running, dtype=torch.float64)).sum() / w.sum())
    assert of(Epoch, reports)[0].metrics["train_loss"] == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_evaluation_sums_what_no_batch_could_average(digits: Dataset, smoothing: float) -> None:
    """Sorted by label, whole batches of the evaluation have no weight."""
    weights = [0.0] * 9 + [1.0]
    job = spec("auto", weights, smoothing)
    net = networks.build(job)
    order = digits.train_labels.argsort(kind="stable")
    pixels = torch.from_numpy(digits.train_images[order])
    images = Images(
        pixels, torch.from_numpy(digits.train_labels[order]).long(), digits.description, CPU
    )
    criterion = losses.criterion(job.training.loss, torch.ones(10))
    found = evaluate(net, criterion, images, 10).loss
    assert found == pytest.approx(whole_mean(net, images, weights, smoothing), rel=1e-5)


def test_an_evaluation_without_any_weight_has_the_loss_zero(digits: Dataset) -> None:
    job = spec("auto", [0.0] * 9 + [1.0])
    labels = torch.zeros(5, dtype=torch.int64)
    images = Images(torch.from_numpy(digits.train_images[:5]), labels, digits.description, CPU)
    criterion = losses.criterion(job.training.loss, torch.ones(10))
    assert evaluate(networks.build(job), criterion, images, 10).loss == 0.0


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_batch_without_weight_has_no_gradient(smoothing: float) -> None:
    criterion = losses.WeightedCrossEntropy(torch.tensor([0.0, 1.0]), label_smoothing=smoothing)
    outputs = torch.tensor([[0.5, -0.5], [2.0, 1.0]], requires_grad=True)
    loss: Tensor = criterion(outputs, torch.zeros(2, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0.0
    assert outputs.grad is not None
    assert outputs.grad.abs().max() == 0.0
    labels = torch.tensor([1, 0])
    first = functional.cross_entropy(outputs[:1], labels[:1], label_smoothing=smoothing)
    torch.testing.assert_close(criterion(outputs, labels), first)  # the other has no weight


def test_checkpoints_from_before_weights_counted_are_read() -> None:
    """The old sums: batch losses, losses times batch sizes, batch losses at the last line."""
    old = {
        "sums": torch.tensor([6.0, 23.0, 4.0], dtype=torch.float64),
        "right": torch.tensor(5),
        "samples": torch.tensor(8),
    }
    running = RunningMetrics(CPU)
    running.restore(upgraded(old, recent_batches=4))
    assert running.mean_loss() == 23.0 / 8
    assert running.accuracy() == 5 / 8
    assert running.running_loss() == 2.0 / 4
