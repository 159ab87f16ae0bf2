"""Classes out of balance are a fault where one is neglected, and balanced weights are suggested
where a trial has borne them."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from app.jobspec import DatasetFacts, JobSpec
from app.jobspec.patch import corrected
from tests.unit.training.diagnosis.test_checkup import last, spec_with
from tests.unit.training.diagnosis.test_rules import cause, inspected, judged, measured, quarters
from worker.messages import Finished, Report
from worker.training.dataset import Dataset
from worker.training.measurements import Ending, EpochReading, RangeTest, Trial
from worker.training.run import Run

SHARES = [0.9, 0.02, *[0.01] * 8]
FIELDS: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "training": {"optimizer": {"lr": 0.05}, "loss": {}},
}


def found(
    *recalls: float, weights: str | None = None, balanced: Trial | None = None
) -> dict[str, Any]:
    """The diagnosis of a run that fits, whose first class is frequent."""
    said = msgspec.structs.replace(inspected(), shares=SHARES)
    rest = [1.0] * (10 - len(recalls))
    counts = [100, *[10] * 9]
    ending = Ending(0.98, 0.95, [*recalls, *rest], train_recall=0.97, counts=counts)
    fields = {**FIELDS, "training": FIELDS["training"] | {"loss": {"class_weights": weights}}}
    return judged(fields, measured(0.98, 0.95, inspection=said, ending=ending, balanced=balanced))


@pytest.mark.parametrize("weights", [None, "balanced"])
def test_where_every_class_is_recognized_nothing_is_wrong(weights: str | None) -> None:
    assert cause(found(1.0, 0.95, weights=weights)) == "healthy"


def test_a_class_of_which_nothing_is_known_is_told() -> None:
    said = found(1.0, -1.0)
    assert cause(said) == "class_imbalance"
    assert said["suggestion"] is None


@pytest.mark.parametrize(
    ("trial", "suggestion"),
    [
        (None, None),
        (Trial(0.05, 300, 0.1, 0.97), {"training": {"loss": {"class_weights": "balanced"}}}),
        (
            Trial(0.005, 300, 0.1, 0.93),
            {"training": {"loss": {"class_weights": "balanced"}, "optimizer": {"lr": 0.005}}},
        ),
        (Trial(0.005, 300, 2.3, 0.2), None),
    ],
    ids=["none", "borne", "borne at a lower rate", "not borne"],
)
def test_balanced_weights_are_suggested_where_a_trial_has_borne_them(
    trial: Trial | None, suggestion: dict[str, Any] | None
) -> None:
    said = found(1.0, 0.5, balanced=trial)
    assert cause(said) == "class_imbalance"
    assert said["suggestion"] == suggestion
    did_harm = trial is not None and suggestion is None
    assert ("did no good in a trial" in said["findings"][0]["advice"]) is did_harm


def test_one_image_that_is_missed_may_be_chance() -> None:
    assert cause(found(1.0, 0.9)) == "healthy"  # one of ten
    assert cause(found(1.0, 0.8)) == "class_imbalance"


def test_a_network_that_names_one_class_alone_has_not_learned() -> None:
    """Its rate is to blame, although nine in ten images are right; so it is with weights."""
    said = msgspec.structs.replace(inspected(), shares=SHARES, neighbour=0.85)
    slow = RangeTest(4, [(0.001, 2.0), (0.1, 1.0)], 0.03, 0.03, 4.0)
    ending = Ending(0.9, 0.9, [1.0, *[0.0] * 9], train_recall=0.1, counts=[100, *[10] * 9])
    trial = Trial(1e-6, 300, 0.5, 0.1)
    same = quarters(0.6, 0.6, 0.6, 0.6)
    metrics = {"train_loss": 0.6, "train_accuracy": 0.9}
    epochs = [EpochReading(epoch, 100 * epoch, metrics) for epoch in range(1, 11)]
    seen = measured(
        0.9,
        0.9,
        inspection=said,
        ending=ending,
        balanced=trial,
        ranges=[slow],
        stretches=same,
        epochs=epochs,
    )
    fields = {"dataset": {"name": "digits"}, "training": {"optimizer": {"lr": 1e-6}}}
    told = judged(fields, seen)
    assert cause(told) == "learning_rate_too_low"
    assert told["suggestion"] == {"training": {"optimizer": {"lr": 0.03}}}


def test_smoothed_labels_of_a_frequent_class_do_not_outweigh_rare_ones(digits: Dataset) -> None:
    """With balanced weights they did: every image was called rare."""
    labels = (digits.train_labels == 3).astype(np.int64)
    draw = np.random.default_rng(1)
    chosen = np.concatenate(
        [np.flatnonzero(labels == 0), draw.choice(np.flatnonzero(labels), 12, replace=False)]
    )
    two = digits.description.classes[:2]
    rare = replace(
        digits,
        description=msgspec.structs.replace(digits.description, classes=two),
        train_images=digits.train_images[chosen],
        train_labels=labels[chosen],
        test_labels=(digits.test_labels == 3).astype(np.int64),
    )
    facts = DatasetFacts(
        input_shape=(1, 8, 8),
        classes=2,
        train_images=len(chosen),
        test_images=len(digits.test_labels),
    )
    fields = {
        "dataset": {"name": "rare"},
        "model": {"hidden": [32]},
        "training": {
            "epochs": 10,
            "batch_size": 32,
            "optimizer": {"lr": 0.02},
            "loss": {"class_weights": "balanced", "label_smoothing": 0.2},
        },
    }
    spec = JobSpec.model_validate(fields, context={"rare": facts})
    finished = Run(spec, rare, lambda _: None, lambda: None).run()
    assert isinstance(finished, Finished)
    assert finished.metrics["test_accuracy"] > 0.9


def test_weights_that_are_set_are_not_advised() -> None:
    said = found(1.0, 0.5, weights="balanced")
    assert said["findings"][0]["advice"].startswith("Gather more images")
    assert said["suggestion"] is None


@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_what_is_suggested_does_no_harm(digits: Dataset, rate: float) -> None:
    """Nine tenths of the images are of one class; at the higher rate balanced weights alone leave
    a network that knows nothing."""
    labels = digits.train_labels
    draw = np.random.default_rng(1)
    frequent, rare = np.flatnonzero(labels == 3), np.flatnonzero(labels != 3)
    chosen = np.concatenate([draw.choice(frequent, 1200), draw.choice(rare, 100, replace=False)])
    unbalanced = replace(
        digits, train_images=digits.train_images[chosen], train_labels=labels[chosen]
    )
    optimizer = {"lr": rate, "momentum": 0.0}
    spec = spec_with(
        {
            "training": {"epochs": 12, "batch_size": 16, "optimizer": optimizer},
            "model": {"hidden": [64]},
        }
    )
    reports: list[Report] = []
    ill = Run(spec, unbalanced, reports.append, lambda: None).run()
    said = last(reports)
    assert cause(said) == "class_imbalance"
    suggested = corrected(spec.model_dump(mode="json"), said["suggestion"])
    cured = Run(suggested, unbalanced, reports.append, lambda: None).run()
    assert isinstance(ill, Finished)
    assert isinstance(cured, Finished)
    assert cured.metrics["test_accuracy"] > ill.metrics["test_accuracy"] - 0.05
