"""The specification of a job: defaults, limits at their edges, and what is not supported yet."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.jobspec import BUILT_IN_DATASETS, DatasetFacts, JobSpec


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
    ("dataset.augment", {"shift": 16, "rotation": 180, "scale": 0.5, "elastic": 8, "noise": 1}),
    ("model.activation", "gelu"),
    ("model", {"kind": "cnn", "channels": [256, 1], "kernel": 7, "hidden": [64]}),
    ("model", {"kind": "cnn", "pool": "average"}),
    ("model", {"kind": "cnn", "pool": "global", "hidden": []}),
    ("model", {"kind": "resnet"}),
    ("model", {"kind": "resnet", "blocks": 9, "width": 4}),
    ("model", {"kind": "resnet", "width": 128, "dropout": 0.5, "activation": "gelu"}),
    ("dataset.augment", {"flip": True, "crop": 1.0, "color": 1.0, "erase": 1.0}),
    ("dataset.augment", {"crop": 0.01}),
    ("training.loss.name", "mse"),
    ("training.loss.class_weights", "balanced"),
    ("training.loss.class_weights", [1.0] * 10),
    ("training.optimizer.name", "rmsprop"),
    ("training.optimizer.nesterov", True),
    ("training.gradient_clipping", 1e-9),
    ("training.schedule", {"name": "cosine", "warmup": 0.9}),
    ("training.schedule", {"name": "reduce_on_plateau", "patience": 0, "factor": 0.999}),
    ("training.early_stopping", {"patience": 1, "min_delta": 1}),
    ("training.precision", "bfloat16"),
    ("training.checkpoint_seconds", 0.5),
    ("preset", "mnist-best"),
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
    ("resources.workers", 65, "resources.workers"),
    ("resources.device", "tpu", "resources.device"),
    ("resources.workers", 0, "resources.workers"),
    ("preset", "imagenet-best", "preset"),
    ("dataset.augment", {"shift": 16.1}, "dataset.augment.shift"),
    ("dataset.augment", {"rotation": 181}, "dataset.augment.rotation"),
    ("dataset.augment", {"scale": 0.6}, "dataset.augment.scale"),
    ("dataset.augment", {"elastic": -1}, "dataset.augment.elastic"),
    ("dataset.augment", {"noise": 1.1}, "dataset.augment.noise"),
    ("dataset.augment", {"mirror": True}, "dataset.augment.mirror"),
    ("model.channels", [8], "model.channels"),
    ("model.kernel", 3, "model.kernel"),
    ("model", {"kind": "cnn", "channels": []}, "model.channels"),
    ("model", {"kind": "cnn", "channels": [257]}, "model.channels.0"),
    ("model", {"kind": "cnn", "channels": [4] * 5}, "model.channels"),
    ("model", {"kind": "cnn", "kernel": 4}, "model.kernel"),
    ("training.loss", {"name": "mse", "label_smoothing": 0.1}, "training.loss.label_smoothing"),
    ("training.loss", {"name": "mse", "class_weights": "balanced"}, "training.loss.class_weights"),
    ("training.loss.class_weights", [-1.0] * 10, "training.loss.class_weights"),
    ("training.optimizer", {"name": "adam", "nesterov": True}, "training.optimizer.nesterov"),
    ("training.optimizer", {"momentum": 0, "nesterov": True}, "training.optimizer.nesterov"),
    ("training.optimizer", {"name": "adagrad", "momentum": 0.9}, "training.optimizer.momentum"),
    ("training.gradient_clipping", 0, "training.gradient_clipping"),
    ("model.pool", "max", "model.pool"),
    ("model", {"kind": "cnn", "pool": "median"}, "model.pool"),
    ("model", {"kind": "resnet", "pool": "global"}, "model.pool"),
    ("model", {"kind": "resnet", "channels": [8]}, "model.channels"),
    ("model", {"kind": "resnet", "hidden": [100]}, "model.hidden"),
    ("model", {"kind": "resnet", "initial_bias": 0.1}, "model.initial_bias"),
    ("model", {"kind": "resnet", "blocks": 10}, "model.blocks"),
    ("model", {"kind": "resnet", "width": 129}, "model.width"),
    ("model", {"kind": "cnn", "width": 16}, "model.width"),
    ("model.blocks", 1, "model.blocks"),
    ("dataset.augment", {"crop": 0.0}, "dataset.augment.crop"),
    ("dataset.augment", {"color": 1.1}, "dataset.augment.color"),
    ("dataset.augment", {"erase": 1.1}, "dataset.augment.erase"),
    ("dataset.augment", {"flip": "left"}, "dataset.augment.flip"),
    ("training.schedule", {"name": "exponential"}, "training.schedule.name"),
    ("training.schedule", {"name": "cosine", "factor": 0.5}, "training.schedule.factor"),
    ("training.schedule", {"name": "step", "factor": 1.0}, "training.schedule.factor"),
    ("training.schedule", {"name": "step", "patience": 1}, "training.schedule.patience"),
    ("training.schedule", {"warmup": 0.91}, "training.schedule.warmup"),
    ("training.early_stopping", {"patience": 0}, "training.early_stopping.patience"),
    ("training.early_stopping", {"metric": "train_loss"}, "training.early_stopping.metric"),
    ("training.gradient", "manual", "training.gradient"),
    ("training.precision", "float16", "training.precision"),
    ("training.checkpoint_seconds", 0.4, "training.checkpoint_seconds"),
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


def test_momentum_belongs_to_sgd() -> None:
    optimizer = {"name": "adam", "momentum": 0.9}
    with pytest.raises(ValidationError, match="only sgd and rmsprop take a momentum"):
        JobSpec.model_validate(spec("training.optimizer", optimizer))
    adam = JobSpec.model_validate(spec("training.optimizer.name", "adam"))
    assert adam.training.optimizer.momentum is None


def test_the_parameters_of_convolutions_are_counted() -> None:
    cnn = JobSpec.model_validate({"model": {"kind": "cnn", "hidden": [128], "batch_norm": True}})
    first, second = 1 * 16 * 25 + 16, 16 * 32 * 25 + 32
    dense, output = 32 * 7 * 7 * 128 + 128, 128 * 10 + 10
    assert cnn.parameters == first + second + dense + output + 2 * (16 + 32 + 128)
    assert cnn.layer_sizes == [1568, 128, 10]


def test_a_stored_spec_is_read_as_it_is_and_not_validated_again() -> None:
    """Whatever was accepted once is read: beyond today's limits, with other fields."""
    stored = JobSpec.model_validate({"preset": "mnist-best"}).model_dump(mode="json")
    assert JobSpec.stored(stored) == JobSpec.model_validate(stored)
    old = JobSpec().model_dump(mode="json")
    del old["dataset"]["facts"]
    del old["diagnosis"]
    old["model"] |= {"hidden": [], "batch_norm": True, "width": 3}
    old["training"]["epochs"] = 10**9
    old["autopilot"] = {"max_jobs": 99}
    old["lr_range"] = {"lowest": 2.0, "highest": 1.0, "batches": 1}
    read = JobSpec.stored(old)
    assert read.dataset.facts == BUILT_IN_DATASETS["mnist"]
    assert read.dataset.facts.input_shape == (1, 28, 28)
    assert (read.steps_per_epoch, read.training.epochs, read.diagnosis) == (13500, 10**9, True)
    assert read.layer_sizes == [784, 10]
    assert read.autopilot is not None
    assert read.autopilot.max_jobs == 99


def test_facts_are_stored_with_the_spec_and_are_read_only() -> None:
    digits = JobSpec.model_validate({"dataset": {"name": "digits"}}).model_dump(mode="json")
    facts = {"input_shape": [1, 8, 8], "classes": 10, "train_images": 1437, "test_images": 360}
    none = {"kind": "image", "validation_images": 0, "duplicates": 0, "revealing": []}
    own = none | {"id": None, "version": None, "sha256": None}
    assert digits["dataset"]["facts"] == facts | own
    assert JobSpec.model_validate(digits).dataset.facts.train_images == 1437
    for sent in (facts | {"classes": 11}, facts | {"owner": "me"}, [], "digits"):
        with pytest.raises(ValidationError, match="read-only") as refusal:
            JobSpec.model_validate({"dataset": {"name": "digits", "facts": sent}})
        assert refusal.value.errors()[0]["loc"] == ("dataset", "facts")


def test_facts_may_be_known_to_the_caller() -> None:
    larger = BUILT_IN_DATASETS["digits"].model_copy(update={"train_images": 5000})
    fields = {"dataset": {"name": "digits"}}
    spec = JobSpec.model_validate(fields, context={"digits": larger})
    assert (spec.dataset.facts, spec.dataset.training_images) == (larger, 4500)


def own_facts(side: int = 32, **facts: Any) -> dict[str, DatasetFacts]:
    known = {"classes": 9, "train_images": 1500, "test_images": 400, "id": "ds_1", "version": 1}
    return {"my-cats": DatasetFacts(input_shape=(3, side, side), **known | facts)}


def test_a_validation_part_that_a_dataset_brings_takes_nothing_from_the_training() -> None:
    fields = {"dataset": {"name": "my-cats"}, "training": {"early_stopping": {}}}
    spec = JobSpec.model_validate(fields, context=own_facts(validation_images=200))
    assert (spec.dataset.training_images, spec.dataset.validation_images) == (1500, 200)
    fields["dataset"] |= {"validation_fraction": 0, "limit": 100}
    spec = JobSpec.model_validate(fields, context=own_facts(validation_images=200))
    assert (spec.dataset.training_images, spec.dataset.validation_images) == (100, 200)


def test_a_network_becomes_a_resnet_by_one_word() -> None:
    """Its other fields were filled in by an earlier kind, and a patch sends them back."""
    stored = JobSpec().model_dump(mode="json")
    stored["model"]["kind"] = "resnet"
    spec = JobSpec.model_validate(stored)
    assert (spec.model.hidden, spec.model.blocks, spec.model.width) == ([], 1, 16)
    assert spec.model.batch_norm
    assert JobSpec.model_validate(spec.model_dump(mode="json")) == spec
