"""Fields of a spec that do not fit together, or would have no effect, are refused by name."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.jobspec import JobSpec, blocks
from tests.unit.test_jobspec import spec

NO_VALIDATION = {"dataset": {"validation_fraction": 0}}


DOES_NOT_FIT = [
    (
        spec("training.batch_size", 64) | spec("resources.workers", 3),
        "resources.workers",
        "shared by 3",
    ),
    (
        spec("model.batch_norm", True) | spec("resources.workers", 4),
        "resources.workers",
        "two images for each",
    ),
    (
        spec("training.gradient", "chain_rule") | spec("resources.workers", 2),
        "training.gradient",
        "one worker",
    ),
    (spec("model.hidden", [8192, 8192]), "model.hidden", "the limit is"),
    ({"training": {"epochs": 10_000, "batch_size": 1}}, "training.epochs", "the limit is"),
    (
        spec("model", {"kind": "cnn", "channels": [4] * 4}) | spec("dataset.name", "digits"),
        "model.channels",
        "nothing of it would be left",
    ),
    (NO_VALIDATION | spec("training.early_stopping", {}), "training.early_stopping", "above 0"),
    (
        NO_VALIDATION | spec("training.schedule", {"name": "reduce_on_plateau"}),
        "training.schedule",
        "above 0",
    ),
    (spec("training.loss.class_weights", [1.0] * 9), "training.loss.class_weights", "10 classes"),
    (spec("training.loss.class_weights", [0.0] * 10), "training.loss.class_weights", "above 0"),
    (
        spec("model.batch_norm", True) | spec("training.batch_size", 1),
        "training.batch_size",
        "two images",
    ),
    (spec("model", {"kind": "resnet", "blocks": 9, "width": 128}), "model.width", "the limit is"),
    (
        spec("model", {"kind": "resnet"}) | spec("training.gradient", "chain_rule"),
        "training.gradient",
        "use auto",
    ),
    (
        spec("model", {"kind": "resnet"}) | spec("training.batch_size", 1),
        "training.batch_size",
        "two images",
    ),
    (
        spec("model", {"kind": "cnn"}) | spec("training.gradient", "chain_rule"),
        "training.gradient",
        "use auto",
    ),
    (
        spec("model.batch_norm", True) | spec("training.gradient", "chain_rule"),
        "training.gradient",
        "use auto",
    ),
    (
        {"model": {"kind": "pretrained"}, "dataset": {"augment": {"flip": True}}},
        "dataset.augment",
        "set model.frozen to false",
    ),
    (
        {"model": {"kind": "pretrained"}, "dataset": {"normalization": "unit"}},
        "dataset.normalization",
        "brings its own",
    ),
    (
        {"model": {"kind": "pretrained"}, "dataset": {"name": "breast-cancer"}},
        "model.kind",
        "is for images",
    ),
    (
        spec("model", {"kind": "pretrained", "dropout": 0.1})
        | spec("training.gradient", "chain_rule"),
        "training.gradient",
        "use auto",
    ),
    (
        spec("model", {"kind": "pretrained", "frozen": False}) | spec("training.batch_size", 1),
        "training.batch_size",
        "two images",
    ),
    ({"model": {"output": "sigmoid"}}, "model.output", "two classes, and the dataset has 10"),
]


@pytest.mark.parametrize(("fields", "field", "words"), DOES_NOT_FIT)
def test_parts_that_do_not_fit_together_are_refused(
    fields: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as refusal:
        JobSpec.model_validate(fields)
    assert refusal.value.errors()[0]["ctx"]["field"] == field


WITHOUT_EFFECT = [
    ({"autopilot": {"max_jobs": 3}, "diagnosis": False}, "autopilot"),
    ({"autopilot": {"max_jobs": 3}, "lr_range": {}}, "autopilot"),
    ({"model": {"hidden": [], "batch_norm": True}}, "model.batch_norm"),
    ({"model": {"hidden": [], "dropout": 0.5}}, "model.dropout"),
    ({"model": {"kind": "cnn", "hidden": [], "dropout": 0.5}}, "model.dropout"),
    ({"model": {"hidden": [], "activation": "tanh"}}, "model.activation"),
    ({"model": {"hidden": [], "initial_bias": 1.0}}, "model.initial_bias"),
    ({"model": {"frozen": False}}, "model.frozen"),
    ({"model": {"kind": "resnet", "backbone": "resnet18"}}, "model.backbone"),
    ({"model": {"kind": "pretrained", "hidden": [9]}}, "model.hidden"),
    ({"model": {"kind": "pretrained", "activation": "tanh"}}, "model.activation"),
    ({"model": {"kind": "pretrained", "initial_bias": 0.1}}, "model.initial_bias"),
    ({"model": {"kind": "pretrained", "blocks": 2}}, "model.blocks"),
    ({"dataset": {"limit": 20, "validation_fraction": 0.01}}, "dataset.validation_fraction"),
    ({"lr_range": {"lowest": 1.0, "highest": 0.5}}, "lr_range.highest"),
]


@pytest.mark.parametrize(("fields", "field"), WITHOUT_EFFECT)
def test_what_would_have_no_effect_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        JobSpec.model_validate(fields)
    (error,) = refusal.value.errors()
    assert error.get("ctx", {}).get("field", ".".join(map(str, error["loc"]))) == field


def test_a_frozen_backbone_trains_its_output_layer_only() -> None:
    frozen = JobSpec.model_validate(
        {"model": {"kind": "pretrained"}, "training": {"batch_size": 1}}
    )
    assert (frozen.parameters, frozen.has_chain_rule) == (512 * 10 + 10, True)
    tuned = JobSpec.model_validate({"model": {"kind": "pretrained", "frozen": False}})
    # torchvision's resnet18 has 11,689,512 with 1,000 classes
    assert tuned.parameters == 11_689_512 - 513 * 1000 + 513 * 10
    assert (tuned.has_chain_rule, tuned.model.batch_norm) == (False, True)


def test_batch_norm_of_a_convolution_needs_no_hidden_layer() -> None:
    JobSpec.model_validate({"model": {"kind": "cnn", "hidden": [], "batch_norm": True}})


def test_several_workers_take_steps_one_by_one() -> None:
    wanted = {"training": {"batch_size": 8}, "resources": {"workers": 2}}
    several, one = (
        JobSpec.model_validate(wanted),
        JobSpec.model_validate(wanted | {"resources": {}}),
    )
    assert blocks.length(one) > 1
    assert blocks.length(several) == 1
    assert several.steps == one.steps
