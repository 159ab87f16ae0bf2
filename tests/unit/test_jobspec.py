"""The specification of a job: defaults, limits at their edges, and what is not supported yet."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.jobspec import MAX_PARAMETERS, JobSpec


def spec(path: str, value: Any) -> dict[str, Any]:
    """A spec in which only the field at the dotted path is set."""
    *parents, last = path.split(".")
    made: dict[str, Any] = {last: value}
    for parent in reversed(parents):
        made = {parent: made}
    return made


ACCEPTED = [
    ("name", ""),
    ("name", "n" * 128),
    ("labels", {"k" * 64: "v" * 512}),
    ("labels", {str(n): "" for n in range(16)}),
    ("dataset.name", "kmnist"),
    ("dataset.validation_fraction", 0),
    ("dataset.validation_fraction", 0.5),
    ("dataset.limit", 20),
    ("dataset.limit", 1_000_000),
    ("model.hidden", []),
    ("model.hidden", [1] * 16),
    ("model.hidden", [8192]),
    ("model.activation", "tanh"),
    ("model.dropout", 0.999),
    ("training.epochs", 1),
    ("training.epochs", 3000),
    ("training.batch_size", 1),
    ("training.batch_size", 8192),
    ("training.loss.label_smoothing", 0.999),
    ("training.optimizer.lr", 1e-12),
    ("training.optimizer.lr", 1000),
    ("training.optimizer.momentum", 0),
    ("training.optimizer.weight_decay", 10),
    ("training.log_every", 1),
    ("training.seed", 2**63 - 1),
    ("resources.threads", 64),
    ("resources.device", "cpu"),
]

REFUSED = [
    ("nonsense", 1, "nonsense"),
    ("training.lr", 0.1, "training.lr"),
    ("name", "n" * 129, "name"),
    ("name", "a\0b", "name"),
    ("name", 7, "name"),
    ("labels", {"": "v"}, "labels"),
    ("labels", {"k" * 65: "v"}, "labels"),
    ("labels", {"k": "v" * 513}, "labels.k"),
    ("labels", {"k": 1}, "labels.k"),
    ("labels", {str(n): "" for n in range(17)}, "labels"),
    ("dataset", "mnist", "dataset"),
    ("dataset.name", "imagenet", "dataset.name"),
    ("dataset.validation_fraction", -0.01, "dataset.validation_fraction"),
    ("dataset.validation_fraction", 0.51, "dataset.validation_fraction"),
    ("dataset.limit", 19, "dataset.limit"),
    ("dataset.limit", 1_000_001, "dataset.limit"),
    ("dataset.limit", 100.5, "dataset.limit"),
    ("model.kind", "transformer", "model.kind"),
    ("model.hidden", [0], "model.hidden.0"),
    ("model.hidden", [500, 8193], "model.hidden.1"),
    ("model.hidden", [1] * 17, "model.hidden"),
    ("model.hidden", "500", "model.hidden"),
    ("model.hidden", [500.5], "model.hidden.0"),
    ("model.activation", "swish", "model.activation"),
    ("model.dropout", 1.0, "model.dropout"),
    ("model.dropout", -0.1, "model.dropout"),
    ("training.epochs", 0, "training.epochs"),
    ("training.epochs", 10_001, "training.epochs"),
    ("training.epochs", True, "training.epochs"),
    ("training.epochs", "10", "training.epochs"),
    ("training.batch_size", 0, "training.batch_size"),
    ("training.batch_size", 8193, "training.batch_size"),
    ("training.loss", "cross_entropy", "training.loss"),
    ("training.loss.label_smoothing", 1.0, "training.loss.label_smoothing"),
    ("training.optimizer.name", "lion", "training.optimizer.name"),
    ("training.optimizer.lr", 0, "training.optimizer.lr"),
    ("training.optimizer.lr", 1000.1, "training.optimizer.lr"),
    ("training.optimizer.lr", float("nan"), "training.optimizer.lr"),
    ("training.optimizer.lr", float("inf"), "training.optimizer.lr"),
    ("training.optimizer.lr", None, "training.optimizer.lr"),
    ("training.optimizer.momentum", 1.0, "training.optimizer.momentum"),
    ("training.optimizer.weight_decay", -1e-9, "training.optimizer.weight_decay"),
    ("training.log_every", 0, "training.log_every"),
    ("training.seed", -1, "training.seed"),
    ("training.seed", 2**63, "training.seed"),
    ("resources.threads", 0, "resources.threads"),
    ("resources.threads", 65, "resources.threads"),
    ("resources.device", "tpu", "resources.device"),
    ("resources.workers", 0, "resources.workers"),
]

NOT_YET = [
    ("dataset.augment", {"shift": 2}),
    ("model.kind", "cnn"),
    ("model.activation", "gelu"),
    ("training.loss.name", "mse"),
    ("training.optimizer.name", "rmsprop"),
    ("training.schedule", {"name": "cosine"}),
    ("training.early_stopping", {"patience": 3}),
    ("training.precision", "bfloat16"),
    ("resources.workers", 2),
]


def test_an_empty_spec_is_the_reference_job() -> None:
    reference = JobSpec()
    assert reference == JobSpec.model_validate({})
    assert reference.layer_sizes == [784, 500, 10]
    assert reference.parameters == 784 * 500 + 500 + 500 * 10 + 10
    assert reference.steps == 10 * 54_000 // 4
    assert reference.training.optimizer.momentum == 0.9


def test_what_is_stored_is_a_spec_again() -> None:
    reference = JobSpec()
    assert JobSpec.model_validate(reference.model_dump(mode="json")) == reference


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_limits_include_their_edges(path: str, value: Any) -> None:
    JobSpec.model_validate(spec(path, value))


@pytest.mark.parametrize(("path", "value", "named"), REFUSED)
def test_what_is_wrong_is_refused_by_name(path: str, value: Any, named: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        JobSpec.model_validate(spec(path, value))
    named_by = [".".join(map(str, error["loc"])) for error in refusal.value.errors()]
    assert any(loc.startswith(named) for loc in named_by), named_by


@pytest.mark.parametrize(("path", "value"), NOT_YET)
def test_what_comes_later_is_refused_and_not_ignored(path: str, value: Any) -> None:
    with pytest.raises(ValidationError, match="not supported yet") as refusal:
        JobSpec.model_validate(spec(path, value))
    assert [error["type"] for error in refusal.value.errors()] == ["not_supported_yet"]
    assert refusal.value.errors()[0]["loc"] == tuple(path.split("."))


def test_momentum_belongs_to_sgd() -> None:
    optimizer = {"name": "adam", "momentum": 0.9}
    with pytest.raises(ValidationError, match="only sgd takes a momentum"):
        JobSpec.model_validate(spec("training.optimizer", optimizer))
    adam = JobSpec.model_validate(spec("training.optimizer.name", "adam"))
    assert adam.training.optimizer.momentum is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (spec("model.hidden", [8192, 8192]), "model.hidden"),
        ({"training": {"epochs": 10_000, "batch_size": 1}}, "training.epochs"),
    ],
)
def test_a_job_too_large_for_the_service_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match="the limit is") as refusal:
        JobSpec.model_validate(changes)
    assert refusal.value.errors()[0]["ctx"]["field"] == field
    assert MAX_PARAMETERS == 20_000_000
