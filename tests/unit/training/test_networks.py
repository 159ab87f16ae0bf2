"""The network is the one that its layers describe, and starts from the same weights as ever."""

from typing import Any

import pytest
import torch

from app.jobspec import JobSpec
from app.jobspec.layers import Convolution, Linear
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


def spec(model: dict[str, Any]) -> JobSpec:
    return JobSpec.model_validate(
        {"dataset": {"name": "digits"}, "model": model, "training": {"batch_size": 10}}
    )


@pytest.mark.parametrize(("model", "digest"), MODELS)
def test_the_same_seed_gives_the_same_weights_as_ever(model: dict[str, Any], digest: str) -> None:
    torch.manual_seed(0)
    assert export.weights_sha256(networks.build(spec(model))) == digest


@pytest.mark.parametrize("model", [model for model, _ in MODELS])
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
