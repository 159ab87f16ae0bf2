"""Networks that start from a backbone: a new output layer on it, or all of it trained further."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load
from torch import nn

from app.codes import StopReason
from app.jobspec import JobSpec
from tests.unit.training import own, pretrained
from tests.unit.training.own import Own
from tests.unit.training.runs import of
from worker.messages import Checkpoint, Finished, Measured, Report, Resumed, Started
from worker.training import backbone, export, graph, networks
from worker.training.backbone import Backbone, BackboneUnavailable
from worker.training.interruptions import Stopping
from worker.training.restored import restored
from worker.training.run import Run

FROZEN: dict[str, Any] = {
    "model": {"kind": "pretrained", "dropout": 0.2},
    "training": {"epochs": 6, "batch_size": 16, "optimizer": {"name": "adam", "lr": 0.01}},
}
TUNED: dict[str, Any] = {
    "model": {"kind": "pretrained", "frozen": False, "dropout": 0.2},
    "dataset": {"augment": {"flip": True}, "limit": 50},
    "training": {"epochs": 2, "batch_size": 16, "optimizer": {"lr": 0.01}},
    "diagnosis": False,  # a range test of so large a network takes most of a test's time
}
BOTH = pytest.mark.parametrize("fields", [FROZEN, TUNED], ids=["frozen", "fine-tuned"])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return backbone.load("resnet18", pretrained.backbones(tmp_path_factory.mktemp("backbones")))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Own:
    return own.make(tmp_path_factory.mktemp("own"))


def run(
    spec: JobSpec, pictures: Own, weights: Backbone, checkpoint: bytes | None = None
) -> tuple[Finished, list[Report]]:
    reports: list[Report] = []
    finished = Run(spec, pictures.dataset, reports.append, lambda: None, weights).run(checkpoint)
    assert isinstance(finished, Finished)
    return finished, reports


@pytest.fixture(scope="module")
def frozen(pictures: Own, weights: Backbone) -> tuple[Finished, list[Report]]:
    return run(pictures.spec(**FROZEN), pictures, weights)


def test_a_new_output_layer_learns_on_a_frozen_backbone(
    frozen: tuple[Finished, list[Report]], weights: Backbone
) -> None:
    finished, reports = frozen
    assert finished.metrics["test_accuracy"] > 0.9
    (started,) = of(Started, reports)
    assert started.environment["backbone_sha256"] == weights.sha256
    stored = load(finished.weights)
    assert all(torch.equal(stored[name], tensor) for name, tensor in weights.weights.items())
    kept = [each for each in reports if isinstance(each, Checkpoint)]
    assert max(len(each.content) for each in kept) < 200_000  # without the backbone


def test_the_model_takes_pictures_and_answers_as_its_network_does(
    frozen: tuple[Finished, list[Report]], pictures: Own
) -> None:
    finished, _ = frozen
    spec = pictures.spec(**FROZEN)
    backbone_ = networks.blank(spec.model.backbone_layers(pictures.facts)).to_empty(device="cpu")
    net = nn.Sequential(*backbone_, *networks.build(spec)).eval()
    net.load_state_dict(load(finished.weights))
    assert export.weights_sha256(net) == finished.weights_sha256
    pixels = pictures.dataset.test_images.astype(np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(pixels / 255)).softmax(1).numpy()
    session = onnxruntime.InferenceSession(finished.onnx)
    (answers,) = session.run(["probabilities"], {"pixels": pixels})
    np.testing.assert_allclose(answers, expected, atol=1e-4)
    with torch.inference_mode():
        again = restored(finished.weights)(torch.from_numpy(pixels)).softmax(1).numpy()
    np.testing.assert_allclose(again, answers, atol=1e-4)
    right = answers.argmax(1) == pictures.dataset.test_labels
    assert right.mean() == pytest.approx(finished.metrics["test_accuracy"])


def test_a_backbone_is_trained_further_from_its_weights(pictures: Own, weights: Backbone) -> None:
    spec = pictures.spec(**TUNED)
    training = Run(spec, pictures.dataset, lambda _: None, lambda: None, weights)
    begun = training.network.state_dict()
    assert all(torch.equal(begun[name], tensor) for name, tensor in weights.weights.items())
    finished = training.run()
    assert isinstance(finished, Finished)
    ended = load(finished.weights)
    moved = [
        name for name, tensor in weights.weights.items() if not torch.equal(ended[name], tensor)
    ]
    assert len(moved) == len(weights.weights)
    assert np.isfinite(finished.metrics["test_loss"])


@BOTH
def test_it_goes_on_bit_for_bit(pictures: Own, weights: Backbone, fields: dict[str, Any]) -> None:
    spec = pictures.spec(**fields)
    whole, _ = run(spec, pictures, weights)
    reports: list[Report] = []
    asked = iter(range(1000))

    def stop() -> StopReason | None:
        return StopReason.SHUTDOWN if next(asked) == 4 else None

    with pytest.raises(Stopping):
        Run(spec, pictures.dataset, reports.append, stop, weights).run()
    kept = of(Checkpoint, reports)[-1]
    assert 0 < kept.step < spec.steps
    again, reports = run(spec, pictures, weights, kept.content)
    assert of(Resumed, reports)[0].differences == []
    assert again.weights_sha256 == whole.weights_sha256


@BOTH
def test_it_does_not_go_on_with_other_weights(
    pictures: Own, weights: Backbone, tmp_path: Path, fields: dict[str, Any]
) -> None:
    spec = pictures.spec(**fields)
    _, reports = run(spec, pictures, weights)
    kept = of(Checkpoint, reports)[0]
    other = backbone.load("resnet18", pretrained.backbones(tmp_path, seed=2))
    with pytest.raises(BackboneUnavailable, match=weights.sha256) as raised:
        run(spec, pictures, other, kept.content)
    assert "retry" in raised.value.advice


@BOTH
def test_a_range_test_starts_from_the_weights(
    pictures: Own, weights: Backbone, fields: dict[str, Any]
) -> None:
    fields = fields | {"dataset": {}, "model": fields["model"] | {"dropout": 0.0}}
    spec = pictures.spec(**fields, lr_range={"lowest": 1e-9, "highest": 1e-8, "batches": 20})
    reports: list[Any] = []
    ended = Run(spec, pictures.dataset, reports.append, lambda: None, weights).run()
    assert isinstance(ended, Measured)
    first = reports[-1].diagnosis["lr_range"]["curve"][0][1]
    begun = Run(spec, pictures.dataset, lambda _: None, lambda: None, weights)
    images, labels = next(begun._splits.training.shuffled(16, spec.training.seed, 1))
    expected = nn.functional.cross_entropy(begun.network.train()(images), labels)
    assert first == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("frozen", [True, False])
def test_grey_pictures_are_taken_too(tmp_path: Path, weights: Backbone, *, frozen: bool) -> None:
    pictures = own.make(tmp_path, shape=(1, 12, 12))
    fields = FROZEN | {"model": {"kind": "pretrained", "frozen": frozen}, "diagnosis": False}
    fields |= {"training": FROZEN["training"] | {"epochs": 1}, "dataset": {"limit": 50}}
    finished, _ = run(pictures.spec(**fields), pictures, weights)
    session = onnxruntime.InferenceSession(finished.onnx)
    pixels = pictures.dataset.test_images.astype(np.float32)
    (answers,) = session.run(["probabilities"], {"pixels": pixels})
    right = answers.argmax(1) == pictures.dataset.test_labels
    assert right.mean() == pytest.approx(finished.metrics["test_accuracy"])


def test_the_graph_of_colours_is_written_for_any_batch(pictures: Own, weights: Backbone) -> None:
    spec = pictures.spec(**TUNED)
    net = networks.build(spec)
    net.load_state_dict(weights.weights, strict=False)
    content = graph.written(net.eval(), spec.layers, pictures.dataset.description)
    session = onnxruntime.InferenceSession(content)
    for count in (1, 3):
        pixels = pictures.dataset.test_images[:count].astype(np.float32)
        (answers,) = session.run(["probabilities"], {"pixels": pixels})
        assert answers.shape == (count, 3)
