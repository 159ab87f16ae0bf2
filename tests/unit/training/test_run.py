"""A whole run: what it reports, when it stops, and that it repeats exactly."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from app.codes import StopReason
from app.jobspec import JobSpec, Model
from tests.unit.training.runs import digits_spec, of, run
from worker.messages import (
    Checkpoint,
    Diagnosed,
    Epoch,
    Heartbeat,
    Log,
    Report,
    RunningLoss,
    Started,
    Step,
)
from worker.training import throughput
from worker.training.batches import Images
from worker.training.dataset import Dataset
from worker.training.diagnosis.checkup import Checkup
from worker.training.environment import DeviceUnavailable
from worker.training.interruptions import Diverged, Stopping
from worker.training.run import Run

OPTIMIZERS = [
    {"name": "sgd", "lr": 0.05, "momentum": 0.0},
    {"name": "sgd", "lr": 0.05, "weight_decay": 1e-4},
    {"name": "adam", "lr": 0.003},
    {"name": "adamw", "lr": 0.003, "weight_decay": 0.01},
]


def model(**fields: Any) -> Model:
    return Model.model_validate(fields)


def test_the_reference_settings_reach_95_percent_on_digits(digits: Dataset) -> None:
    finished, _ = run(JobSpec.model_validate({"dataset": {"name": "digits"}}), digits)
    assert finished.metrics["test_accuracy"] >= 0.95


def test_a_tenth_of_mnist_reaches_90_percent(mnist: Dataset) -> None:
    spec = JobSpec.model_validate(
        {
            "dataset": {"limit": 6000},
            "training": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.01}},
        }
    )
    finished, _ = run(spec, mnist)
    assert finished.metrics["test_accuracy"] >= 0.90


def test_running_losses_come_every_so_many_batches_counted_anew_each_epoch(
    digits: Dataset,
) -> None:
    _, reports = run(digits_spec(log_every=15), digits)
    lines = [(line.epoch, line.batch, line.step) for line in of(RunningLoss, reports)]
    assert lines == [(1, 15, 15), (1, 30, 30), (2, 15, 56), (2, 30, 71)]


def test_a_running_loss_is_the_mean_of_its_batches(digits: Dataset) -> None:
    _, each = run(digits_spec(epochs=1, log_every=1), digits)
    _, tens = run(digits_spec(epochs=1, log_every=10), digits)
    losses = [line.loss for line in of(RunningLoss, each)]
    for number, line in enumerate(of(RunningLoss, tens)):
        assert line.loss == pytest.approx(np.mean(losses[number * 10 : number * 10 + 10]))


def test_the_reports_tell_the_run_from_start_to_end(digits: Dataset) -> None:
    finished, reports = run(digits_spec(), digits)
    assert isinstance(reports[0], Started)
    steps = of(Step, reports)
    assert steps[0].step == 1
    assert (steps[-1].step, steps[-1].steps, steps[-1].eta_seconds) == (82, 82, 0.0)
    epochs = of(Epoch, reports)
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert set(epochs[0].metrics) == {
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
    }
    *_, finished_training, diagnosed = reports
    assert finished_training == Log("Finished Training")
    assert isinstance(diagnosed, Diagnosed)
    confusion = np.array(finished.metrics["confusion_matrix"])
    assert confusion.sum() == len(digits.test_labels)
    assert confusion.trace() / confusion.sum() == finished.metrics["test_accuracy"]
    assert (confusion.sum(axis=1) == np.bincount(digits.test_labels)).all()


def test_without_a_validation_split_there_are_no_validation_metrics(digits: Dataset) -> None:
    spec = JobSpec.model_validate(
        {"dataset": {"name": "digits", "validation_fraction": 0}, "training": {"epochs": 1}}
    )
    _, reports = run(spec, digits)
    assert set(of(Epoch, reports)[0].metrics) == {"train_loss", "train_accuracy", "learning_rate"}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: "-".join(map(str, each)))
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_every_network_learns_and_repeats_bit_for_bit(
    digits: Dataset, activation: str, optimizer: dict[str, float]
) -> None:
    spec = JobSpec.model_validate(
        {
            "dataset": {"name": "digits"},
            "model": {"hidden": [32, 16], "activation": activation, "dropout": 0.1},
            "training": {"epochs": 2, "batch_size": 16, "optimizer": optimizer},
        }
    )
    first, reports = run(spec, digits)
    again, _ = run(spec, digits)
    assert first.weights_sha256 == again.weights_sha256
    losses = [epoch.metrics["train_loss"] for epoch in of(Epoch, reports)]
    assert losses[1] < losses[0] < 2.5
    other, _ = run(
        spec.model_copy(update={"training": spec.training.model_copy(update={"seed": 1})}), digits
    )
    assert other.weights_sha256 != first.weights_sha256


def test_evaluation_leaves_training_untouched(digits: Dataset) -> None:
    """Dropout draws from the global generator: had validation drawn too, weights would differ."""
    spec = digits_spec().model_copy(update={"model": model(dropout=0.5)})
    with_validation, _ = run(spec, digits)
    run_ = Run(spec, digits, lambda _: None, lambda: None)
    none = Images(
        torch.empty(0, 1, 8, 8, dtype=torch.uint8),
        torch.empty(0, dtype=torch.int64),
        digits.description,
        torch.device("cpu"),
    )
    run_._splits = run_._splits._replace(validation=none)
    assert run_.run().weights_sha256 == with_validation.weights_sha256


def test_a_stop_takes_effect_after_the_step_at_which_it_is_asked(digits: Dataset) -> None:
    asked = itertools.chain([None] * 4, itertools.repeat(StopReason.CANCEL))
    calls = []

    def stop() -> str | None:
        calls.append(1)
        return next(asked)

    with pytest.raises(Stopping, match="cancel"):
        run(digits_spec(), digits, stop)
    assert len(calls) == 5


BAD = {"optimizer": {"lr": 1e-6}}
"""Learns nothing, so that its end tries other rates."""


def test_a_stop_takes_effect_within_the_diagnosis_and_it_says_that_it_lives(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "HEARTBEAT_SECONDS", 0.0)
    reports: list[Report] = []

    def stop() -> str | None:
        return StopReason.PAUSE if len(of(Heartbeat, reports)) == 3 else None

    with pytest.raises(Stopping, match="pause"):
        Run(digits_spec(**BAD), digits, reports.append, stop).run()
    assert Log("Finished Training") in reports
    kept = of(Checkpoint, reports)[-1]
    assert reports.index(kept) < reports.index(Log("Finished Training"))  # and it holds all
    again: list[Report] = []
    resumed = Run(digits_spec(**BAD), digits, again.append, lambda: None).run(kept.content)
    whole, whole_reports = run(digits_spec(**BAD), digits)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert of(Diagnosed, again)[-1].diagnosis == of(Diagnosed, whole_reports)[-1].diagnosis
    assert of(Step, again) == []


def test_a_diagnosis_that_fails_costs_no_model(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(Checkup, "_ending", fail)
    monkeypatch.setattr(Checkup, "_watched", fail)
    finished, reports = run(digits_spec(), digits)
    assert finished.weights_sha256
    assert reports[-1] == Log("the diagnosis gave up: MemoryError: no more")
    with pytest.raises(Diverged):
        run(digits_spec(optimizer={"lr": 1000.0}, log_every=1), digits)


def test_rates_are_tried_where_a_larger_batch_leaves_one_image_over(digits: Dataset) -> None:
    fields = {"dataset": {"name": "digits", "limit": 143}, "model": {"batch_norm": True}}
    training = {"epochs": 1, "batch_size": 10, **BAD}
    spec = JobSpec.model_validate(fields | {"training": training})
    assert spec.dataset.training_images % 64 == 1
    _, reports = run(spec, digits)
    assert of(Diagnosed, reports)[-1].diagnosis["final"]


def test_batch_normalization_leaves_a_last_batch_of_one_image_out(digits: Dataset) -> None:
    fields = {"dataset": {"name": "digits", "limit": 145}}
    plain = JobSpec.model_validate(fields | {"training": {"epochs": 2, "batch_size": 10}})
    assert plain.dataset.training_images == 131
    assert plain.steps_per_epoch == 14
    normalized = plain.model_copy(update={"model": model(batch_norm=True)})
    assert normalized.steps_per_epoch == 13
    _, reports = run(normalized, digits)
    assert [each.step for each in of(Epoch, reports)] == [13, 26]


def test_a_finding_is_said_once_whatever_comes_between(digits: Dataset) -> None:
    reports: list[Report] = []
    spec = digits_spec(epochs=100).model_copy(update={"model": model(initialization="zeros")})

    def stop() -> str | None:
        told = [each for diagnosed in of(Diagnosed, reports) for each in diagnosed.new]
        return StopReason.PAUSE if told else None

    with pytest.raises(Stopping):
        Run(spec, digits, reports.append, stop).run()
    (first,) = [each.new for each in of(Diagnosed, reports) if each.new]
    kept = of(Checkpoint, reports)[-1]
    again: list[Report] = []
    Run(spec, digits, again.append, lambda: None).run(kept.content)
    said = {each["code"] for diagnosed in of(Diagnosed, again) for each in diagnosed.new}
    assert not said & {each["code"] for each in first}


def test_a_loss_that_is_no_number_ends_the_run(digits: Dataset) -> None:
    spec = digits_spec(optimizer={"lr": 1000.0}, log_every=1)
    with pytest.raises(Diverged, match="epoch 1"):
        run(spec.model_copy(update={"model": model(hidden=[64] * 6)}), digits)


def test_a_last_step_that_breaks_the_network_publishes_no_model(digits: Dataset) -> None:
    """The loss before that step is finite, and no validation set sees the network after it."""
    spec = JobSpec.model_validate(
        {
            "dataset": {"name": "digits", "validation_fraction": 0},
            "model": {"hidden": [64] * 12},
            "training": {
                "epochs": 1,
                "batch_size": 2000,
                "optimizer": {"name": "adam", "lr": 1000.0},
            },
        }
    )
    with pytest.raises(Diverged, match="mini-batch 1 of epoch 1"):
        run(spec, digits)


def test_a_run_that_was_paused_is_measured_at_the_steps_of_an_unbroken_one(
    digits: Dataset,
) -> None:
    spec = digits_spec(epochs=20, batch_size=4)
    whole = Run(spec, digits, lambda _: None, lambda: None)
    whole.run()
    content = None
    for _ in range(3):
        reports: list[Report] = []
        asked = itertools.count()
        part = Run(
            spec,
            digits,
            reports.append,
            lambda asked=asked: StopReason.PAUSE if next(asked) == 40 else None,
        )
        with pytest.raises(Stopping):
            part.run(content)
        content = of(Checkpoint, reports)[-1].content
    part = Run(spec, digits, lambda _: None, lambda: None)
    part.run(content)
    steps = [[each.step for each in run.measurements.readings] for run in (whole, part)]
    assert steps[0] == steps[1]
    assert len(steps[0]) >= 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused(digits: Dataset) -> None:
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}, "resources": {"device": "cuda"}})
    with pytest.raises(DeviceUnavailable, match="cuda"):
        run(spec, digits)
