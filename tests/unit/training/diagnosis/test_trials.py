"""Fresh copies of a network that did badly are trained with one thing changed, and believed only
where they learn what the run did not."""

from typing import Any

import pytest

from app.jobspec import JobSpec
from app.jobspec.patch import corrected
from tests.unit.training.diagnosis.test_checkup import last, run, spec_with
from tests.unit.training.diagnosis.test_rules import cause, judged, measured, quarters, reading
from worker.training import losses
from worker.training.dataset import Dataset
from worker.training.measurements import (
    Ending,
    EpochReading,
    Measurements,
    NonFinite,
    RangeTest,
    Trial,
)

SGD = {"epochs": 15, "batch_size": 32, "optimizer": {"lr": 0.05}}
BEARS_IT = RangeTest(1, [(0.001, 2.0), (0.1, 1.0)], 0.03, 0.03, 4.0)


def bad(loss: float, **others: Any) -> Measurements:
    """A run that ended with a tenth of the training images right, and this loss."""
    ending = Ending(0.1, 0.1, [0.1] * 10, train_loss=loss)
    same = quarters(loss, loss, loss, loss)
    return measured(0.1, 0.1, ranges=[BEARS_IT], stretches=same, ending=ending, **others)


def small_batches(size: int) -> dict[str, Any]:
    return {
        "dataset": {"name": "digits"},
        "training": {"batch_size": size, "optimizer": {"lr": 0.07}},
    }


@pytest.mark.parametrize(
    ("size", "left", "is_named"), [(1, 0.3, True), (1, 1.3, False), (8, 0.3, True)]
)
def test_small_batches_are_to_blame_where_larger_ones_learn_at_the_same_rate(
    size: int, left: float, is_named: bool
) -> None:
    """Also where the range test, whose losses are noise with such batches, bears the rate."""
    found = bad(2.4, larger=Trial(rate=0.07, steps=200, train_loss=left))
    said = judged(small_batches(size), found)
    assert (cause(said) == "batch_too_small") is is_named
    if is_named:
        assert said["suggestion"] == {"training": {"batch_size": 64}}
        assert "200 steps with batches of 64" in said["findings"][0]["evidence"][-1]["meaning"]


def test_a_run_that_broke_may_have_had_too_small_batches() -> None:
    found = bad(2.4, larger=Trial(rate=0.07, steps=200, train_loss=0.3))
    found.ending = None
    found.non_finite = NonFinite(step=9, epoch=1, where="loss")
    said = judged(small_batches(2), found)
    assert cause(said) == "batch_too_small"
    assert said["findings"][0]["evidence"][-1]["value"] is None


def test_batches_of_one_image_that_keep_a_network_from_learning_are_named_and_cured(
    digits: Dataset,
) -> None:
    training = {"epochs": 3, "batch_size": 1, "optimizer": {"lr": 0.07}}
    fields = {"training": training, "model": {"hidden": [96, 96]}}
    said = last(run(spec_with(fields), digits)[1])
    assert cause(said) == "batch_too_small"
    cured = corrected(spec_with(fields).model_dump(mode="json"), said["suggestion"])
    assert cause(last(run(cured, digits)[1])) != "batch_too_small"


def test_augmentation_that_leaves_nothing_to_learn_from_is_named_and_cured(
    digits: Dataset,
) -> None:
    dataset = {"name": "digits", "augment": {"shift": 8, "noise": 1.0}}
    spec = spec_with({"dataset": dataset, "training": SGD})
    said = last(run(spec, digits)[1])
    assert cause(said) == "underfitting"
    assert said["suggestion"] == {"dataset": {"augment": None}}
    assert said["findings"][0]["advice"] == "Distort the images less, or not at all."
    cured = last(run(corrected(spec.model_dump(mode="json"), said["suggestion"]), digits)[1])
    assert cause(cured) == "healthy"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "healthy"),
        ({"epochs": 1}, "stopped_too_early"),
        ({"optimizer": {"lr": 1e-5}}, "learning_rate_too_low"),
        ({"optimizer": {"lr": 20.0}}, "learning_rate_too_high"),
    ],
)
def test_augmentation_that_does_no_harm_is_not_blamed(
    digits: Dataset, changes: dict[str, Any], code: str
) -> None:
    dataset = {"name": "digits", "augment": {"shift": 1, "rotation": 10}}
    spec = spec_with({"dataset": dataset, "training": SGD | changes})
    assert cause(last(run(spec, digits)[1])) == code


@pytest.mark.parametrize(("left", "is_named"), [(0.5, True), (1.1, False), (2.0, False)])
def test_a_trial_without_augmentation_must_leave_half_of_the_loss(
    left: float, is_named: bool
) -> None:
    found = bad(2.0, undistorted=Trial(rate=0.05, steps=300, train_loss=left))
    fields = {
        "dataset": {"name": "digits", "augment": {"shift": 1}},
        "training": {"batch_size": 32, "optimizer": {"lr": 0.05}},
    }
    said = judged(fields, found)
    assert (said["suggestion"] == {"dataset": {"augment": None}}) is is_named


@pytest.mark.parametrize(("epochs", "patience"), [(10, 5), (40, 20)])
def test_a_run_that_is_to_go_on_is_not_stopped_sooner_than_it_was(
    epochs: int, patience: int
) -> None:
    found = measured(0.6, 0.6, stretches=quarters(2.0, 1.5, 1.2, 0.9))
    fields = {"dataset": {"name": "digits"}, "training": {"epochs": epochs}}
    said = judged(fields, found)
    assert cause(said) == "stopped_too_early"
    suggested = said["suggestion"]["training"]
    assert suggested["early_stopping"]["patience"] == patience
    assert suggested["epochs"] > epochs


@pytest.mark.parametrize(("limit", "code"), [(300, "overfitting"), (None, "trained_too_long")])
def test_epochs_are_not_compared_on_few_validation_images(limit: int | None, code: str) -> None:
    """Of 30 images two are 7 points."""
    metrics = {"train_loss": 0.01, "train_accuracy": 1.0}
    metrics |= {"validation_loss": 0.5, "validation_accuracy": 0.97}
    epochs = [EpochReading(epoch, 100 * epoch, metrics) for epoch in range(1, 61)]
    found = measured(1.0, 0.97, epochs=epochs)
    fields = {"dataset": {"name": "digits", "limit": limit}, "training": {"epochs": 60}}
    codes = [each["code"] for each in judged(fields, found)["findings"]]
    assert codes == [code]


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ({"channels": [2], "pool": "global"}, {"channels": [32]}),
        ({"channels": [64, 4], "pool": "global"}, {"channels": [64, 32]}),
        ({"channels": [2], "pool": "max"}, None),
        ({"channels": [2], "pool": "global", "hidden": [3]}, {"channels": [32], "hidden": [128]}),
    ],
)
def test_channels_whose_means_alone_go_on_are_a_narrow_layer(
    model: dict[str, Any], changes: dict[str, Any] | None
) -> None:
    fields = {
        "dataset": {"name": "digits"},
        "model": {"kind": "cnn", "kernel": 3, "hidden": []} | model,
    }
    said = judged(fields, measured(0.3, 0.3, stretches=quarters(1.8, 1.8, 1.8, 1.8)))
    assert cause(said) == "underfitting"
    suggested = said["suggestion"]["model"]
    assert suggested == changes if changes else "channels" not in suggested


@pytest.mark.parametrize(("left", "is_named"), [(1.5, True), (1.9, False)])
def test_half_of_a_loss_is_counted_from_the_least_that_smoothing_leaves(
    left: float, is_named: bool
) -> None:
    """With a smoothing of 0.3 no network of ten classes comes below 1.18."""
    found = bad(2.3, undistorted=Trial(rate=0.05, steps=300, train_loss=left))
    fields = {
        "dataset": {"name": "digits", "augment": {"shift": 1}},
        "training": {
            "batch_size": 32,
            "optimizer": {"lr": 0.05},
            "loss": {"label_smoothing": 0.3},
        },
    }
    assert losses.least(JobSpec.model_validate(fields).training.loss, 10) == pytest.approx(
        1.18, abs=0.01
    )
    said = judged(fields, found)
    assert (said["suggestion"] == {"dataset": {"augment": None}}) is is_named


def test_a_rate_far_too_low_is_no_fault_of_small_batches() -> None:
    """Single images tell a range test nothing; larger batches say what the rate should be."""
    noise = RangeTest(1, [(1e-6, 2.0), (10.0, 2.0)], None, None, None)
    larger = RangeTest(64, [(1e-6, 2.0), (0.1, 1.0)], 0.03, 0.03, 4.0)
    found = bad(2.3)
    found.ranges = [noise, larger]
    metrics = {"train_loss": 2.3, "train_accuracy": 0.1}
    found.epochs = [EpochReading(epoch, 100 * epoch, metrics) for epoch in range(1, 11)]
    fields = {
        "dataset": {"name": "digits"},
        "training": {"batch_size": 1, "optimizer": {"lr": 1e-6}},
    }
    said = judged(fields, found)
    assert cause(said) == "learning_rate_too_low"
    assert said["suggestion"] == {"training": {"optimizer": {"lr": 0.03}}}


def test_a_loss_that_was_as_high_at_the_first_step_has_not_run_away() -> None:
    """Where the largest class counts for little, the loss of an even guess is not the first one."""
    probes = [reading(step, loss=4.5) for step in (0, 500)]
    same = quarters(4.4, 4.4, 4.4, 4.4)
    ending = Ending(0.1, 0.1, [0.1] * 10, train_loss=4.4)
    found = measured(0.1, 0.1, readings=probes, stretches=same, ending=ending)
    fields = {
        "dataset": {"name": "digits"},
        "training": {"batch_size": 32, "optimizer": {"lr": 0.001}},
    }
    assert cause(judged(fields, found)) == "underfitting"
