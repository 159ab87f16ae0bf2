"""What a preset fills in, and what a refusal says of a spec that names one."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.jobspec import JobSpec
from app.jobspec.presets import PRESETS
from tests.unit.test_jobspec import own_facts


def test_a_preset_fills_in_what_the_spec_leaves_out() -> None:
    fast = JobSpec.model_validate({"preset": "mnist-fast", "training": {"epochs": 1}})
    assert fast.training.epochs == 1
    assert fast.training.batch_size == PRESETS["mnist-fast"].spec["training"]["batch_size"]
    assert JobSpec.model_validate(fast.model_dump(mode="json")) == fast


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_spec(name: str) -> None:
    assert JobSpec.model_validate({"preset": name}).preset == name


@pytest.mark.parametrize("name", ["images", "images-best"])
@pytest.mark.parametrize("side", [8, 32, 64, 128, 224])
def test_the_presets_for_pictures_fit_datasets_of_ones_own(side: int, name: str) -> None:
    fields = {"preset": name, "dataset": {"name": "my-cats"}}
    for images in (300, 64 * 20 + 1, 50_000):
        known = own_facts(side, train_images=images)
        spec = JobSpec.model_validate(fields, context=known)
        assert spec.dataset.facts.id == "ds_1"
        assert spec.dataset.augment is not None
        assert spec.dataset.augment.flip
        assert JobSpec.model_validate(spec.model_dump(mode="json"), context=known) == spec


PRESET_ERRORS = [
    ({"preset": "mnist-best", "model": {"kind": "mlp"}}, "preset", "channels to null"),
    ({"preset": "mnist-fast", "training": {"loss": {"name": "mse"}}}, "preset", "smoothing to 0.0"),
    (
        {"preset": "mnist-best", "training": {"batch_size": 1}},
        "training.batch_size",
        "the preset mnist-best sets",
    ),
    (
        {"preset": "mnist-fast", "training": {"schedule": {"factor": 0.5}}},
        "training.schedule.factor",
        "the preset mnist-fast sets",
    ),
    ({"preset": "mnist-fast", "training": {"epochs": 0}}, "training.epochs", "greater than"),
]


@pytest.mark.parametrize(("fields", "field", "words"), PRESET_ERRORS)
def test_a_refusal_names_what_was_sent_and_what_the_preset_sets(
    fields: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as refusal:
        JobSpec.model_validate(fields)
    (error,) = refusal.value.errors()
    assert error.get("ctx", {}).get("field", ".".join(map(str, error["loc"]))) == field


def test_what_a_preset_error_advises_is_accepted() -> None:
    channels = {"kind": "mlp", "channels": None}
    JobSpec.model_validate({"preset": "mnist-best", "model": channels})
    loss = {"name": "mse", "label_smoothing": 0.0}
    JobSpec.model_validate({"preset": "mnist-fast", "training": {"loss": loss}})


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("highest", {"lr_range": {"lowest": 1e-6, "highest": 1e-12}}),
        ("labels", {"labels": {"a:b": "c"}}),
        ("workers", {"resources": {"workers": 65}}),
        ("lr", {"training": {"optimizer": {"lr": -1}}}),
    ],
)
def test_every_kind_of_refusal_is_told_beside_a_preset(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as plain:
        JobSpec.model_validate(fields)
    with pytest.raises(ValidationError) as refusal:
        JobSpec.model_validate(fields | {"preset": "digits"})
    (told,), (expected,) = refusal.value.errors(), plain.value.errors()
    assert told["msg"] == expected["msg"]
    assert field in told["loc"]
