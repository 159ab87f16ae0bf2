"""The rules of the learning rate know what changes it: clipping, schedules, and noise."""

from typing import Any

import pytest

from app.jobspec.patch import corrected
from tests.unit.training.diagnosis.test_checkup import last, run, spec_with
from tests.unit.training.diagnosis.test_rules import cause, judged, measured, quarters, reading
from worker.messages import Diagnosed
from worker.training.dataset import Dataset
from worker.training.measurements import Ending, EpochReading, Layer, RangeTest, Trial

SGD = {"epochs": 15, "batch_size": 32, "optimizer": {"lr": 0.05}}
CLIPPED = SGD | {"gradient_clipping": 1e-4}
STARVED = SGD | {"optimizer": {"lr": 0.005}, "schedule": {"name": "step", "factor": 0.1}}
STARVED_SOON = {
    "epochs": 24,
    "batch_size": 64,
    "optimizer": {"lr": 0.005},
    "schedule": {"name": "step", "factor": 0.01},
}
NOISY = {"epochs": 20, "batch_size": 16, "optimizer": {"name": "adam", "lr": 0.03}}


@pytest.mark.parametrize(
    ("training", "code", "suggested"),
    [
        (CLIPPED, "clipping_too_tight", {"gradient_clipping": None}),
        (STARVED, "learning_rate_too_low", {"schedule": None}),
        (STARVED_SOON, "learning_rate_too_low", {"schedule": None}),
        (NOISY, "learning_rate_too_high", {"optimizer": {"lr": 0.003}}),
    ],
    ids=[
        "clipped",
        "starved by its schedule",
        "starved after an epoch",
        "kept up by the noise of its steps",
    ],
)
def test_the_cause_is_named_and_cured(
    digits: Dataset, training: dict[str, Any], code: str, suggested: dict[str, Any]
) -> None:
    spec = spec_with({"model": {"hidden": [200, 100], "dropout": 0.2}, "training": training})
    said = last(run(spec, digits)[1])
    assert cause(said) == code
    suggestion = said["suggestion"]["training"]
    assert suggestion | suggested == suggestion
    cured = last(run(corrected(spec.model_dump(mode="json"), said["suggestion"]), digits)[1])
    assert cause(cured) == "healthy"


def test_a_network_on_mnist_that_its_rate_keeps_from_learning_more_is_found(mnist: Dataset) -> None:
    fields: dict[str, Any] = {
        "dataset": {"name": "mnist", "limit": 20000},
        "model": {"hidden": [200, 100], "dropout": 0.2},
        "training": {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.05}},
    }
    said = last(run(spec_with(fields), mnist)[1])
    assert cause(said) == "learning_rate_too_high"
    assert said["suggestion"] == {"training": {"optimizer": {"lr": 0.005}}}
    fields["training"]["optimizer"]["lr"] = 0.005
    assert cause(last(run(spec_with(fields), mnist)[1])) == "healthy"


@pytest.mark.parametrize(
    "training",
    [
        SGD | {"gradient_clipping": 1.0},
        SGD | {"gradient_clipping": 1e-4, "optimizer": {"name": "adam", "lr": 0.002}},
        SGD | {"schedule": {"name": "cosine", "warmup": 0.5}},
        SGD | {"schedule": {"name": "reduce_on_plateau", "patience": 0, "factor": 0.001}},
        SGD | {"optimizer": {"lr": 0.01, "nesterov": True}},
    ],
    ids=["clipping", "clipping of adam", "warm-up", "plateau", "nesterov"],
)
def test_what_does_no_harm_is_not_blamed(digits: Dataset, training: dict[str, Any]) -> None:
    assert cause(last(run(spec_with({"training": training}), digits)[1])) == "healthy"


def test_early_stopping_that_calls_nothing_an_improvement_is_named(digits: Dataset) -> None:
    training = {"epochs": 30, "early_stopping": {"patience": 1, "min_delta": 1.0}}
    said = last(
        run(spec_with({"training": SGD | training | {"optimizer": {"lr": 0.005}}}), digits)[1]
    )
    assert cause(said) == "stopped_too_early"
    assert said["suggestion"]["training"]["early_stopping"]["min_delta"] == 0.0


def test_class_weights_that_neglect_a_class_are_named(digits: Dataset) -> None:
    loss = {"class_weights": [1, 1, 1, 1, 1, 1, 1, 1, 0.0001, 0.001]}
    said = last(run(spec_with({"training": SGD | {"loss": loss}}), digits)[1])
    assert cause(said) == "underfitting"
    assert said["suggestion"] == {"training": {"loss": {"class_weights": "balanced"}}}


def test_a_class_of_weight_0_is_named_as_one_that_is_not_learned(digits: Dataset) -> None:
    loss = {"class_weights": [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]}
    said = last(run(spec_with({"training": SGD | {"loss": loss}}), digits)[1])
    assert cause(said) == "underfitting"
    finding = said["findings"][0]
    (evidence,) = [each for each in finding["evidence"] if "weight" in each["name"]]
    assert (evidence["name"], evidence["value"]) == ("least class weight", 0.0)
    assert finding["advice"] == "Let every class count in the loss."
    assert said["suggestion"] == {"training": {"loss": {"class_weights": "balanced"}}}


TESTED = RangeTest(32, [(0.001, 2.0), (0.1, 1.0)], 0.03, 0.03, 0.5)


def test_a_trial_is_believed_only_where_it_does_better() -> None:
    found = measured(0.94, 0.93, stretches=quarters(0.4, 0.3, 0.3, 0.3))
    found.ending = Ending(0.94, 0.93, [0.9] * 10, train_loss=0.2)
    fields = {"dataset": {"name": "digits"}, "training": {"optimizer": {"lr": 0.05}}}
    found.trial = Trial(rate=0.005, steps=300, train_loss=0.25)
    assert cause(judged(fields, found)) == "healthy"
    found.trial.train_loss = 0.15
    said = judged(fields, found)
    assert cause(said) == "learning_rate_too_high"
    assert said["suggestion"] == {"training": {"optimizer": {"lr": 0.005}}}
    assert said["findings"][0]["evidence"][-1]["threshold"] == 0.15


def test_a_trial_that_knows_no_more_than_a_guess_blames_no_rate() -> None:
    """It has moved less, and does less harm."""
    found = measured(0.1, 0.1, ranges=[TESTED], stretches=quarters(2.8, 2.8, 2.8, 2.8))
    found.ending = Ending(0.1, 0.1, [0.1] * 10, train_loss=2.8)
    found.trial = Trial(rate=0.002, steps=300, train_loss=2.5)
    said = judged({"dataset": {"name": "digits"}, "training": {"optimizer": {"lr": 0.02}}}, found)
    assert cause(said) == "underfitting"
    found.trial.train_loss = 2.2
    said = judged({"dataset": {"name": "digits"}, "training": {"optimizer": {"lr": 0.02}}}, found)
    assert cause(said) == "learning_rate_too_high"


def test_a_range_test_says_more_than_a_trial_with_a_tenth_of_a_rate_far_too_high() -> None:
    found = measured(0.1, 0.1, ranges=[TESTED], stretches=quarters(2.3, 2.3, 2.3, 2.3))
    found.ending = Ending(0.1, 0.1, [0.1] * 10, train_loss=2.3)
    found.trial = Trial(rate=2.0, steps=300, train_loss=1.9)
    said = judged({"dataset": {"name": "digits"}, "training": {"optimizer": {"lr": 20.0}}}, found)
    assert cause(said) == "learning_rate_too_high"
    assert said["suggestion"] == {"training": {"optimizer": {"lr": 0.03}}}


def test_clipping_bounds_the_step_of_a_high_rate() -> None:
    """A rate of 5 of which clipping leaves a hundredth is one of 0.05."""
    probes = [reading(step, layers=[Layer(3.0, 1.0, 1.0, 1e-3)] * 2) for step in (0, 500)]
    found = measured(0.5, 0.5, readings=probes, ranges=[TESTED])
    found.stretches = quarters(1.0, 1.0, 1.0, 1.0)
    fields: dict[str, Any] = {"dataset": {"name": "digits"}, "model": {"hidden": [64]}}
    fields["training"] = {"optimizer": {"lr": 5.0}, "gradient_clipping": 0.042}
    assert cause(judged(fields, found)) == "underfitting"
    fields["training"]["gradient_clipping"] = 0.0001
    said = judged(fields, found)
    assert [each["code"] for each in said["findings"]] == ["clipping_too_tight"]
    assert said["suggestion"] == {
        "training": {"gradient_clipping": None, "optimizer": {"lr": 0.03}}
    }
    fields["training"]["gradient_clipping"] = None
    assert cause(judged(fields, found)) == "learning_rate_too_high"


def test_a_better_rate_is_not_left_to_a_schedule_that_takes_it_away() -> None:
    found = measured(0.5, 0.5, ranges=[TESTED], stretches=quarters(1.0, 1.0, 1.0, 1.0))
    for epoch in found.epochs:
        epoch.metrics["train_loss"] = 1.0
    training = {"optimizer": {"lr": 0.001}, "schedule": {"name": "step", "factor": 0.01}}
    fields = {"dataset": {"name": "digits"}, "training": training}
    suggestion = judged(fields, found)["suggestion"]
    assert suggestion == {"training": {"optimizer": {"lr": 0.03}, "schedule": None}}


@pytest.mark.parametrize(("last_rates", "code"), [(1e-6, "learning_rate_too_low"), (0.02, "under")])
def test_a_rate_that_fell_on_plateaus_is_known_from_its_epochs(
    last_rates: float, code: str
) -> None:
    found = measured(0.5, 0.5, ranges=[TESTED], stretches=quarters(1.0, 1.0, 1.0, 1.0))
    found.epochs = [
        EpochReading(
            epoch,
            100 * epoch,
            {"train_loss": 1.0, "learning_rate": 0.02 if epoch < 4 else last_rates},
        )
        for epoch in range(1, 11)
    ]
    fields = {
        "dataset": {"name": "digits"},
        "training": {"optimizer": {"lr": 0.02}, "schedule": {"name": "reduce_on_plateau"}},
    }
    assert cause(judged(fields, found)).startswith(code)


def test_a_lower_rate_is_tried_only_where_it_is_in_doubt(digits: Dataset) -> None:
    for lr, tried in ((0.02, False), (0.5, True)):
        spec = spec_with({"training": SGD | {"optimizer": {"lr": lr, "momentum": 0.9}}})
        said = [each for each in run(spec, digits)[1] if isinstance(each, Diagnosed)]
        evidence = [each["name"] for each in said[-1].diagnosis["findings"][0]["evidence"]]
        assert ("training loss at the end" in evidence) == tried
