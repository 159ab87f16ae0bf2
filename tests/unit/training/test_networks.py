"""The network is the one that its layers describe, and starts from the same weights as ever."""

from typing import Any

import pytest
import torch

from app.jobspec import DatasetFacts, JobSpec, cost
from app.jobspec.layers import Convolution, Linear, Residual, operations
from worker.training import export, networks

CNN: dict[str, Any] = {"kind": "cnn", "channels": [4, 6], "hidden": [16]}
MODELS: list[tuple[dict[str, Any], str]] = [
    ({}, "7a8d45bec03cb9ba986976a92d4d4987c65c3cd92d78405197ccd4f93fce92c5"),
    (
        CNN | {"batch_norm": True, "dropout": 0.5},
        "17fbe4414bbc0899dc502121e56edaf68110636e66e9fd5276f421e153c675b3",
    ),
    (
        {"hidden": [9, 8], "activation": "tanh"},
        "5f9dc8883578a1f16a817268e92f242bcbab05423a7cd838b2f5c1833b41f3c8",
    ),
    (
        {"hidden": [9], "activation": "leaky_relu", "batch_norm": True},
        "2ebdab7bfd111d82ee16e57207867dadf2ae33a47e3b5235c6df1a359f072505",
    ),
    (
        {"initialization": "glorot", "hidden": [9, 7]},
        "e93bfc513fae5799bb64f24af76ac7b498365be30331ae789b66f3d5bc239bf0",
    ),
]
"""Models, and digests of their initial weights as the first builder drew them, before layers were
described as data."""

CONVOLVED: list[dict[str, Any]] = [
    CNN | {"pool": "average"},
    CNN | {"pool": "global", "hidden": []},
    {"kind": "resnet"},
    {"kind": "resnet", "blocks": 2, "width": 4, "dropout": 0.1, "activation": "gelu"},
]


def spec(model: dict[str, Any]) -> JobSpec:
    return JobSpec.model_validate(
        {"dataset": {"name": "digits"}, "model": model, "training": {"batch_size": 10}}
    )


@pytest.mark.parametrize(("model", "digest"), MODELS)
def test_the_same_seed_gives_the_same_weights_as_ever(model: dict[str, Any], digest: str) -> None:
    torch.manual_seed(0)
    assert export.weights_sha256(networks.build(spec(model))) == digest


@pytest.mark.parametrize("model", [model for model, _ in MODELS] + CONVOLVED)
def test_the_description_is_that_of_the_network(model: dict[str, Any]) -> None:
    job = spec(model)
    net = networks.build(job)
    signal = torch.zeros(3, *job.dataset.facts.input_shape)
    for module, layer in zip(net, job.layers, strict=True):
        assert tuple(signal.shape[1:]) == layer.inputs
        signal = module(signal)
        assert tuple(signal.shape[1:]) == layer.outputs
        assert sum(each.numel() for each in module.parameters()) == layer.parameters
    assert job.parameters == sum(each.numel() for each in net.parameters())


def test_multiplications_are_counted_for_one_image() -> None:
    layers = spec(CNN).layers
    convolutions = [each for each in layers if isinstance(each, Convolution)]
    assert [each.multiplications for each in convolutions] == [8 * 8 * 4 * 25, 4 * 4 * 6 * 4 * 25]
    linear = [each for each in layers if isinstance(each, Linear)]
    assert [each.multiplications for each in linear] == [6 * 2 * 2 * 16, 16 * 10]


def on_cifar(model: dict[str, Any]) -> JobSpec:
    facts = DatasetFacts(input_shape=(3, 32, 32), classes=10, train_images=50, test_images=10)
    fields = {"dataset": {"name": "cifar", "validation_fraction": 0}, "model": model}
    return JobSpec.model_validate(fields, context={"cifar": facts})


@pytest.mark.parametrize(("blocks", "layers"), [(1, 8), (3, 20), (9, 56)])
def test_a_resnet_has_the_layers_of_the_paper(blocks: int, layers: int) -> None:
    job = on_cifar({"kind": "resnet", "blocks": blocks})
    assert sum(each.kernel > 1 for each in convolutions_of(job)) + 1 == layers
    stages = [each.outputs for each in job.layers if isinstance(each, Residual)]
    assert stages == [(16, 32, 32)] * blocks + [(32, 16, 16)] * blocks + [(64, 8, 8)] * blocks


def test_a_resnet_of_20_layers_has_the_weights_of_the_paper_and_of_two_shortcuts() -> None:
    """Table 6 of the paper says 0.27 million for the form without weights in the shortcuts."""
    shortcuts = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert on_cifar({"kind": "resnet", "blocks": 3}).parameters == 269_722 + shortcuts


def test_multiplications_inside_residual_blocks_are_counted() -> None:
    job = on_cifar({"kind": "resnet", "width": 4})
    expected = 32 * 32 * 9 * (3 * 4 + 2 * 4 * 4)
    expected += 16 * 16 * (9 * (4 * 8 + 8 * 8) + 4 * 8)
    expected += 8 * 8 * (9 * (8 * 16 + 16 * 16) + 8 * 16)
    assert sum(each.multiplications for each in convolutions_of(job)) == expected
    assert cost.image(job.layers)["float32.convolution"] == expected


def convolutions_of(job: JobSpec) -> list[Convolution]:
    return [each for each in operations(job.layers) if isinstance(each, Convolution)]


def test_a_block_adds_its_input_to_what_its_body_makes_of_it() -> None:
    net = networks.build(on_cifar({"kind": "resnet", "width": 4}))
    block = next(each for each in net if isinstance(each, networks.ResidualBlock))
    torch.nn.init.zeros_(block.body[-1].weight)  # the scale of its last normalization
    signal = torch.rand(2, 4, 32, 32)
    assert torch.equal(block(signal), signal)


def test_global_pooling_leaves_the_mean_of_each_channel() -> None:
    signal = torch.rand(2, 4, 5, 6)
    pooled = networks.GlobalAverage()(signal)
    torch.testing.assert_close(pooled[1, 3], signal[1, 3].mean())
