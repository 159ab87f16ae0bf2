"""A dataset of one's own is opened by its facts, trains as any other, and is never held whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from pydantic import ValidationError

from app.jobspec import Augment, DatasetFacts
from tests.torture import resume_matrix
from tests.unit.training import own
from tests.unit.training.own import Own
from tests.unit.training.runs import of, run
from worker.datasets import DatasetUnavailable
from worker.messages import Diagnosed, Epoch, Log, Order
from worker.open_dataset import open_dataset
from worker.training.augmentation import Augmentation
from worker.training.dataset import NotDecoded, load
from worker.training.diagnosis.nonfinite import locate
from worker.training.networks import ResidualBlock
from worker.training.splits import split
from worker.training.state import State

CPU = torch.device("cpu")
TRAINING = {"epochs": 3, "batch_size": 16, "optimizer": {"lr": 0.02}}


@pytest.fixture(scope="module")
def cats(tmp_path_factory: pytest.TempPathFactory) -> Own:
    return own.make(tmp_path_factory.mktemp("home"))


def order(home: Path) -> Order:
    return Order(spec={}, datasets_home=str(home), datasets_source=None)


def test_a_dataset_is_opened_by_the_id_in_the_spec(cats: Own) -> None:
    opened = open_dataset(cats.spec().dataset, order(cats.folder.parent))
    assert opened.description == cats.dataset.description
    assert np.array_equal(opened.train_images, cats.dataset.train_images)


def test_one_that_is_missing_says_what_to_do(cats: Own, tmp_path: Path) -> None:
    with pytest.raises(DatasetUnavailable, match="my-cats@1 are missing") as refusal:
        open_dataset(cats.spec().dataset, order(tmp_path))
    assert "backup" in refusal.value.advice


@pytest.mark.parametrize(
    "other",
    [
        {"classes": 4},
        {"input_shape": (1, 12, 12)},
        {"train_images": 159},
        {"test_images": 41},
        {"validation_images": 5},
        {"sha256": "0" * 64},
    ],
)
def test_arrays_that_are_not_what_the_spec_says_are_not_taken(
    cats: Own, other: dict[str, Any]
) -> None:
    facts = DatasetFacts.model_validate(cats.facts.model_dump() | other)
    with pytest.raises(NotDecoded):
        load(cats.folder, facts)


def test_a_network_learns_it_and_is_diagnosed(cats: Own) -> None:
    finished, reports = run(cats.spec(training=TRAINING), cats.dataset)
    assert finished.metrics["test_accuracy"] == 1
    assert of(Diagnosed, reports)[-1].diagnosis["final"]
    assert not [each for each in of(Log, reports) if "gave up" in each.message]


CONVOLUTIONS: list[dict[str, Any]] = [
    {"kind": "cnn", "channels": [4, 6], "kernel": 3, "hidden": [8], "batch_norm": True},
    {"kind": "cnn", "channels": [4, 6], "pool": "average"},
    {"kind": "cnn", "channels": [4, 6], "pool": "global", "hidden": []},
    {"kind": "resnet", "width": 4, "dropout": 0.1},
    {"hidden": [12], "dropout": 0.2},
]
AUGMENT = {"shift": 1, "flip": True, "crop": 0.8, "color": 0.2, "erase": 0.2}


@pytest.mark.parametrize("model", CONVOLUTIONS)
def test_every_network_trains_on_it_is_diagnosed_and_exported(
    cats: Own, model: dict[str, Any]
) -> None:
    spec = cats.spec(model=model, training=TRAINING, dataset={"augment": AUGMENT})
    finished, reports = run(spec, cats.dataset)
    assert not [each for each in of(Log, reports) if "gave up" in each.message]
    assert of(Diagnosed, reports)[-1].diagnosis["final"]
    graph = InferenceSession(finished.onnx)
    pixels = cats.dataset.test_images.astype(np.float32)
    (probabilities,) = graph.run(None, {"pixels": pixels})
    correct = (probabilities.argmax(1) == cats.dataset.test_labels).mean()
    assert correct == pytest.approx(finished.metrics["test_accuracy"])


@pytest.mark.parametrize("model", CONVOLUTIONS[:1] + CONVOLUTIONS[3:])
@pytest.mark.parametrize("optimizer", [{"lr": 0.02}, {"name": "adamw", "lr": 0.003}])
def test_a_run_that_was_cut_ends_with_the_same_weights(
    cats: Own, model: dict[str, Any], optimizer: dict[str, Any]
) -> None:
    training = TRAINING | {"optimizer": optimizer}
    spec = cats.spec(model=model, training=training, dataset={"augment": AUGMENT})
    kept = resume_matrix.cut(spec, cats.dataset, 13)
    assert kept is not None
    whole = resume_matrix.digest(spec, cats.dataset)
    assert resume_matrix.digest(spec, cats.dataset, kept) == whole


@pytest.mark.parametrize("gradient", ["chain_rule", "autograd"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_one_sigmoid_unit_tells_two_classes_apart(tmp_path: Path, loss: str, gradient: str) -> None:
    """The textbook's form: n inputs, m hidden sigmoid units, one sigmoid output."""
    pair = own.make(tmp_path, classes=2)
    model = {"hidden": [6], "activation": "sigmoid", "output": "sigmoid"}
    training = TRAINING | {"epochs": 12, "optimizer": {"lr": 0.3}, "gradient": gradient}
    spec = pair.spec(model=model, training=training | {"loss": {"name": loss}})
    assert spec.layer_sizes == [432, 6, 1]
    finished, reports = run(spec, pair.dataset)
    assert finished.metrics["test_accuracy"] > 0.95
    assert not [each for each in of(Log, reports) if "gave up" in each.message]
    (probabilities,) = InferenceSession(finished.onnx).run(
        None, {"pixels": pair.dataset.test_images.astype(np.float32)}
    )
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    correct = (probabilities.argmax(1) == pair.dataset.test_labels).mean()
    assert correct == pytest.approx(finished.metrics["test_accuracy"])
    kept = resume_matrix.cut(spec, pair.dataset, 13)
    assert resume_matrix.digest(spec, pair.dataset, kept) == finished.weights_sha256


def test_numbers_that_break_in_a_residual_block_are_located(cats: Own) -> None:
    spec = cats.spec(model={"kind": "resnet", "width": 4}, training=TRAINING)
    state = State(spec, CPU)
    block = [each for each in state.net if isinstance(each, ResidualBlock)][2]
    torch.nn.init.constant_(block.body[1].weight, float("inf"))
    training = split(spec, cats.dataset, CPU).training
    criterion = torch.nn.CrossEntropyLoss()
    found = locate(spec, state, criterion, lambda *_: training.shuffled(16, 0, 1), None)
    assert found.where == "outputs of layer 9"  # the last of the block, which has 7, 8 and 9


def test_the_chain_rule_trains_fully_connected_networks_on_colours_and_no_others(
    cats: Own,
) -> None:
    by_hand = TRAINING | {"gradient": "chain_rule"}
    finished, _ = run(cats.spec(training=by_hand), cats.dataset)
    assert finished.metrics["test_accuracy"] == 1
    for kind in ("cnn", "resnet"):
        with pytest.raises(ValidationError, match="chain_rule is for fully connected networks"):
            cats.spec(model={"kind": kind}, training=by_hand)


def test_convolutions_see_colours_with_the_channels_of_a_pixel_side_by_side(cats: Own) -> None:
    for kind, layout in (("resnet", torch.channels_last), ("mlp", torch.contiguous_format)):
        spec = cats.spec(model={"kind": kind}, training=TRAINING)
        training = split(spec, cats.dataset, CPU).training
        for augmentation in (None, Augmentation(Augment(flip=True), (3, 12, 12), CPU)):
            batch, _ = next(training.shuffled(8, 0, 1, augmentation=augmentation))
            assert batch.is_contiguous(memory_format=layout)


def test_channels_are_normalized_by_themselves(cats: Own) -> None:
    training = split(cats.spec(dataset={"validation_fraction": 0}), cats.dataset, CPU).training
    pixels, _ = training.all()
    assert len(pixels) == 160
    torch.testing.assert_close(pixels.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(pixels.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    undistorted = Augmentation(Augment(), (3, 12, 12), CPU)
    for one, other in zip(
        training.shuffled(32, 0, 1), training.shuffled(32, 0, 1, 0, undistorted), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_a_validation_part_that_the_dataset_brings_is_used_whole(tmp_path: Path) -> None:
    brought = own.make(tmp_path, validation=24)
    spec = brought.spec(training=TRAINING, dataset={"limit": 100})
    assert (spec.dataset.training_images, spec.dataset.validation_images) == (100, 24)
    parts = split(spec, brought.dataset, CPU)
    assert [len(part) for part in parts] == [100, 24, 40]
    assert brought.dataset.validation_images is not None
    expected = torch.from_numpy(brought.dataset.validation_images / 255).float()
    normalized, _ = parts.validation.all()
    mean, std = (
        torch.tensor(each).view(-1, 1, 1)
        for each in (brought.dataset.description.mean, brought.dataset.description.std)
    )
    torch.testing.assert_close(normalized, (expected - mean) / std, atol=1e-4, rtol=0)
    _, reports = run(spec, brought.dataset)
    assert all("validation_loss" in each.metrics for each in of(Epoch, reports))


def test_without_a_fraction_such_a_part_is_used_as_well(tmp_path: Path) -> None:
    brought = own.make(tmp_path, validation=24)
    stopping = TRAINING | {"early_stopping": {"patience": 1}}
    spec = brought.spec(training=stopping, dataset={"validation_fraction": 0})
    assert len(split(spec, brought.dataset, CPU).validation) == 24


def test_there_may_be_more_classes_than_a_byte_counts(tmp_path: Path) -> None:
    many = own.make(tmp_path, classes=300, counts=(600, 300))
    assert many.dataset.train_labels.dtype == np.uint16
    finished, reports = run(many.spec(training=TRAINING | {"epochs": 1}), many.dataset)
    assert np.shape(finished.metrics["confusion_matrix"]) == (300, 300)
    assert not [each for each in of(Log, reports) if "gave up" in each.message]


WITHIN_A_LIMIT = """
import json, sys
from pathlib import Path
from app.jobspec import DatasetFacts, JobSpec
from worker import memory
from worker.training.dataset import load
from worker.training.run import Run

folder, facts, limit = Path(sys.argv[1]), DatasetFacts.stored(json.loads(sys.argv[2])), sys.argv[3]
fields = {"dataset": {"name": "my-cats"}, "model": {"hidden": [8]}}
fields["training"] = {"epochs": 1, "batch_size": 512}
spec = JobSpec.model_validate(fields, context={"my-cats": facts})
memory.limit(int(limit))
finished = Run(spec, load(folder, facts), lambda _: None, lambda: None).run()
print(finished.metrics["test_accuracy"])
"""


def test_a_dataset_larger_than_the_memory_of_a_run_is_trained_within_it(tmp_path: Path) -> None:
    """440 MB of blank pictures in a sparse file, under a limit of 400 MB of memory."""
    small = own.make(tmp_path, shape=(3, 64, 64), counts=(60, 30))
    count = 36_000
    path = small.folder / "train_images.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, 3, 64, 64)).flush()
    np.save(small.folder / "train_labels.npy", (np.arange(count) % 3).astype(np.uint8))
    facts = json.dumps(small.facts.model_dump() | {"train_images": count})
    command = [sys.executable, "-c", WITHIN_A_LIMIT, str(small.folder), facts, "400"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
