"""What the rules make of measurements: causes that explain, and suggestions that change it."""

from typing import Any

import msgspec
import pytest

from app.jobspec import DatasetFacts, JobSpec
from app.jobspec.patch import corrected
from tests.unit.training.diagnosis.test_checkup import last, run, spec_with
from worker.messages import Epoch, Report
from worker.training.dataset import Dataset
from worker.training.diagnosis import rules
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.document import document
from worker.training.interruptions import Diverged
from worker.training.measurements import (
    Activation,
    Ending,
    EpochReading,
    Inspection,
    Layer,
    Measurements,
    NonFinite,
    RangeTest,
    Reading,
    Stretch,
)
from worker.training.run import Run


def reading(step: int, **others: Any) -> Reading:
    facts: dict[str, Any] = {
        "loss": 0.1,
        "entropy": 0.1,
        "answers": [0.1] * 10,
        "logits": 1.0,
        "noise": None,
        "layers": [Layer(0.1, 1.0, 1.0, 0.001) for _ in range(3)],
        "activations": [Activation(dead=0.0, saturated=0.0) for _ in range(2)],
    }
    return Reading(step=step, epoch=1, **facts | others)


def inspected(std: float = 1.0) -> Inspection:
    return Inspection(
        mean=0.0,
        std=std,
        constant=0.2,
        blank=0.0,
        shares=[0.1] * 10,
        agreement=0.95,
        agreements=[0.95] * 10,
        contradicted=0.01,
        neighbour=0.85,
        shift={},
        pixels={},
    )


def measured(train: float, validation: float | None = None, **others: Any) -> Measurements:
    """Ten epochs of a hundred steps that ended with these accuracies."""
    metrics = {"train_accuracy": train}
    if validation is not None:
        metrics |= {"validation_accuracy": validation, "validation_loss": 0.5}
    facts: dict[str, Any] = {
        "readings": [reading(0), reading(500), reading(1000)],
        "epochs": [
            EpochReading(epoch, 100 * epoch, {"train_loss": 1.0 / epoch, **metrics})
            for epoch in range(1, 11)
        ],
        "inspection": inspected(),
        "ending": Ending(train, validation, [0.9] * 10),
    }
    return Measurements(**facts | others)


def quarters(*losses: float) -> list[Stretch]:
    return [Stretch(1 + 250 * n, 250, loss, 0.1) for n, loss in enumerate(losses)]


def judged(fields: dict[str, Any], found: Measurements, *, final: bool = True) -> dict[str, Any]:
    spec = JobSpec.model_validate(fields)
    findings = rules.findings(Case(spec, found, 10, final=final))
    return document(spec, findings, found, (10, 1000), final=final)


@pytest.mark.parametrize(
    ("agreement", "contradicted", "validation", "final", "is_noisy"),
    [
        (0.61, 0.01, 0.71, True, False),  # the emoji: neighbours know less than the network
        (0.35, 0.2, 0.5, True, False),  # CIFAR-10, about
        (0.1, 0.0, 0.11, True, True),  # shuffled
        (0.5, 0.2, 0.5, True, True),  # a half of them shuffled
        (0.79, 0.08, 0.84, True, False),  # two classes that overlap
        (0.1, 0.0, 0.11, False, False),  # nobody knows yet
        (0.1, 0.0, None, True, False),  # nobody can know
    ],
)
def test_labels_of_own_pictures_are_doubted_only_if_nothing_can_learn_them(
    agreement: float, contradicted: float, validation: float | None, final: bool, is_noisy: bool
) -> None:
    facts = {"input_shape": (3, 32, 32), "classes": 10, "train_images": 1500, "test_images": 400}
    known = {"pets": DatasetFacts(**facts, id="ds_1")}
    spec = JobSpec.model_validate({"dataset": {"name": "pets"}}, context=known)
    seen = msgspec.structs.replace(inspected(), agreement=agreement, contradicted=contradicted)
    found = measured(0.9, validation, inspection=seen)
    codes = [each.code for each in rules.findings(Case(spec, found, 10, final=final))]
    assert ("noisy_labels" in codes) is is_noisy


def cause(said: dict[str, Any]) -> str:
    return next((each["code"] for each in said["findings"]), "nothing")


BROKE = {
    "ending": None,
    "ranges": [RangeTest(32, [(0.001, 2.0), (0.1, 1.0)], 0.03, 0.03, 0.5)],
    "non_finite": NonFinite(900, 9, "outputs of layer 1"),
}


@pytest.mark.parametrize(
    ("fields", "train", "validation"),
    [
        ({"dataset": {"name": "digits", "limit": 200}}, 0.99, None),
        ({"dataset": {"name": "mnist"}, "training": {"epochs": 40}}, 0.97, 0.97),
    ],
    ids=["by heart", "long"],
)
def test_a_run_that_broke_is_not_blamed_for_what_it_had_learned(
    fields: dict[str, Any], train: float, validation: float | None
) -> None:
    training = {"precision": "bfloat16", "optimizer": {"lr": 0.1}} | fields.get("training", {})
    said = judged(fields | {"training": training}, measured(train, validation, **BROKE))
    assert [each["code"] for each in said["findings"]] == ["non_finite"]
    assert said["suggestion"] == {"training": {"precision": "float32"}}


def test_a_run_that_broke_late_is_not_called_overfitted(digits: Dataset) -> None:
    spec = spec_with({"dataset": {"limit": 200}, "training": {"epochs": 20}})
    said: list[Report] = []

    def sabotage(report: Report) -> None:
        said.append(report)
        if isinstance(report, Epoch) and report.epoch == 15:
            next(broken.network.parameters()).data[0, 0] = float("nan")

    broken = Run(spec, digits, sabotage, lambda: None)
    with pytest.raises(Diverged):
        broken.run()
    assert last(said)["findings"][0]["code"] == "non_finite"


def test_early_stopping_that_gave_up_too_soon_is_to_wait_longer(digits: Dataset) -> None:
    training = {"epochs": 40, "batch_size": 16, "optimizer": {"lr": 0.02, "momentum": 0.0}}
    training |= {"early_stopping": {"patience": 1, "metric": "validation_accuracy"}}
    spec = spec_with({"dataset": {"limit": 300}, "training": training})
    weights, reports = run(spec, digits)
    assert [each.epoch for each in reports if isinstance(each, Epoch)][-1] < 40
    said = last(reports)
    assert cause(said) == "stopped_too_early"
    patient = {"metric": "validation_loss", "patience": 5}
    assert said["suggestion"] == {"training": {"early_stopping": patient}}
    longer = corrected(spec.model_dump(mode="json"), said["suggestion"])
    assert run(longer, digits)[0] != weights


@pytest.mark.parametrize(("hidden", "code"), [([64, 64], "exploding_gradients"), ([64], "bad")])
def test_biases_are_named_where_they_make_the_first_answers_extreme(
    digits: Dataset, hidden: list[int], code: str
) -> None:
    model = {"hidden": hidden, "initial_bias": 10.0}
    said = last(run(spec_with({"model": model, "training": {"epochs": 1}}), digits)[1])
    assert cause(said).startswith(code)
    assert said["suggestion"] == {"model": {"initial_bias": 0.0}}


@pytest.mark.parametrize("layers", [2, 3])
def test_large_pixels_are_not_taken_for_large_weights_before_they_were_looked_at(
    layers: int,
) -> None:
    extreme = reading(0, logits=60.0, layers=[Layer(0.1, 1.0, 1.0) for _ in range(layers)])
    found = measured(0.5, readings=[extreme, reading(500)], inspection=None, ending=None)
    raw = {"dataset": {"name": "digits", "normalization": "none"}, "model": {"hidden": [64]}}
    assert cause(judged(raw, found, final=False)) == "nothing"
    raw["dataset"]["normalization"] = "standard"
    assert cause(judged(raw, found, final=False)) in {"bad_initialization", "exploding_gradients"}
    found.inspection = inspected(std=60.0)
    assert cause(judged(raw, found)) == "inputs_not_normalized"


@pytest.mark.parametrize(("train", "expected"), [(0.99, "nothing"), (0.5, "vanishing_gradients")])
def test_a_network_that_has_learned_is_not_warned_while_it_trains(
    train: float, expected: str
) -> None:
    layers = [Layer(1e-6, 1.0, 1.0), Layer(1e-3, 1.0, 1.0), Layer(0.1, 1.0, 1.0)]
    probes = [reading(step, layers=layers) for step in (0, 500, 1000)]
    found = measured(train, readings=probes, inspection=None, ending=None)
    fields = {"dataset": {"name": "digits"}, "model": {"hidden": [64, 64], "activation": "sigmoid"}}
    assert cause(judged(fields, found, final=False)) == expected


AUGMENTED = {"augment": {"shift": 2, "rotation": 20}}
CURES: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "more images": ({"dataset": {"limit": 1000}}, {"dataset": {"limit": None}}),
    "dropout": ({}, {"model": {"dropout": 0.3}}),
    "no layer to drop": (
        {"model": {"kind": "cnn", "hidden": []}},
        {"dataset": {"augment": {"shift": 1, "rotation": 10}}},
    ),
    "frozen backbone": (
        {"model": {"kind": "pretrained"}},
        {"model": {"dropout": 0.3}},
    ),
    "frozen backbone sees images once": (
        {"model": {"kind": "pretrained", "dropout": 0.3}},
        {"training": {"early_stopping": {"metric": "validation_loss", "patience": 5}}},
    ),
    "has both": (
        {"dataset": AUGMENTED, "model": {"dropout": 0.5}},
        {"training": {"early_stopping": {"metric": "validation_loss", "patience": 5}}},
    ),
    "has all": (
        {
            "dataset": AUGMENTED,
            "model": {"dropout": 0.5},
            "training": {"early_stopping": {"patience": 1}},
        },
        None,
    ),
}


@pytest.mark.parametrize(("fields", "suggested"), CURES.values(), ids=CURES)
def test_overfitting_is_given_what_it_does_not_have(
    fields: dict[str, Any], suggested: dict[str, Any] | None
) -> None:
    said = judged(fields, measured(0.995, 0.80))
    assert cause(said) == "overfitting"
    assert said["suggestion"] == suggested
    assert bool(said["changes"]) == (suggested is not None)


@pytest.mark.parametrize(("limit", "size"), [(20, 2), (1000, 32)])
def test_smaller_batches_are_smaller_than_the_dataset(limit: int, size: int) -> None:
    fields = {"dataset": {"name": "digits", "limit": limit}, "training": {"batch_size": 512}}
    found = measured(0.2, 0.2)
    found.epochs = found.epochs[:1]
    said = judged(fields, found)
    assert cause(said) == "batch_too_large"
    assert said["suggestion"] == {"training": {"batch_size": size}}


@pytest.mark.parametrize(("hidden", "wider"), [([2100], [8192]), ([64, 8000], [256, 8192])])
def test_layers_grow_up_to_what_a_spec_may_have(hidden: list[int], wider: list[int]) -> None:
    found = measured(0.5, 0.5, stretches=quarters(1.0, 1.0, 1.0, 1.0))
    said = judged({"dataset": {"name": "digits"}, "model": {"hidden": hidden}}, found)
    assert cause(said) == "underfitting"
    assert said["suggestion"] == {"model": {"hidden": wider}}


@pytest.mark.parametrize(
    ("frozen", "suggested"), [(True, {"model": {"frozen": False}}), (False, None)]
)
def test_a_backbone_that_does_badly_is_trained_further(
    *, frozen: bool, suggested: dict[str, Any] | None
) -> None:
    found = measured(0.5, 0.5, stretches=quarters(1.0, 1.0, 1.0, 1.0))
    model = {"kind": "pretrained", "frozen": frozen}
    said = judged({"dataset": {"name": "digits"}, "model": model}, found)
    assert cause(said) == "underfitting"
    assert said["suggestion"] == suggested


def test_what_changes_nothing_is_not_suggested() -> None:
    training = {"epochs": 10_000, "early_stopping": {"patience": 1}}
    found = measured(0.5, 0.5, stretches=quarters(2.0, 1.5, 1.0, 0.5))
    found.epochs[-1].epoch = 10_000
    said = judged({"dataset": {"name": "digits"}, "training": training}, found)
    assert cause(said) == "stopped_too_early"
    assert said["suggestion"] is None
    assert said["changes"] == []


def test_an_impossible_change_leaves_the_others() -> None:
    vanished = reading(0, layers=[Layer(1e-6, 1.0, 1.0), Layer(0.1, 1.0, 1.0)])
    fields = {
        "dataset": {"name": "digits"},
        "model": {"hidden": [4, 64], "activation": "relu"},
        "training": {"batch_size": 1},
    }
    said = judged(fields, measured(0.5, 0.5, readings=[vanished, reading(1000)]))
    assert cause(said) == "vanishing_gradients"  # batch normalization needs more than one image
    assert said["findings"][0]["suggestion"] is None
    assert said["suggestion"] == {"model": {"hidden": [128, 128]}}
    assert [each["pointer"] for each in said["changes"]] == ["/model/hidden"]
