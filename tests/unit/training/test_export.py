"""The exported files hold the trained network and need no PyTorch."""

import dataclasses
import json
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from safetensors import deserialize
from safetensors.torch import load

from app.jobspec import DatasetFacts, JobSpec
from app.jobspec.layers import Layer
from tests.unit.training.runs import digits_spec, run
from worker.messages import Finished
from worker.training import export, graph, networks
from worker.training.dataset import Dataset, Description
from worker.training.restored import Restored, restored

Pixels = npt.NDArray[Any]


@pytest.fixture(scope="module")
def finished(digits: Dataset) -> Finished:
    return run(digits_spec(epochs=1), digits)[0]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_exported_graph_answers_as_the_network_does(
    digits: Dataset, finished: Finished, count: int
) -> None:
    pixels = digits.test_images[:count].astype(np.float32)
    session = onnxruntime.InferenceSession(finished.onnx)
    (answers,) = session.run(["probabilities"], {"pixels": pixels})

    net = networks.build(digits_spec())
    net.load_state_dict(load(finished.weights))
    expected = probabilities(net, digits.description, pixels)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert export.weights_sha256(net) == finished.weights_sha256
    again = restored(finished.weights)
    np.testing.assert_allclose(asked(again, pixels), expected, atol=1e-6)
    np.testing.assert_array_equal(pixels, digits.test_images[:count])  # it leaves them as they are


def asked(net: Restored, examples: Pixels) -> Pixels:
    """What a network that is made again from its file answers."""
    with torch.inference_mode():
        return net(torch.from_numpy(examples)).softmax(1).numpy()


def probabilities(net: torch.nn.Module, description: Description, pixels: Pixels) -> Pixels:
    """Those of the network, from pixels as images hold them."""
    mean, std = (np.reshape(each, (-1, 1, 1)) for each in (description.mean, description.std))
    seen = (pixels / description.pixel_range[1] - mean) / std
    with torch.inference_mode():
        logits = net.eval()(torch.from_numpy(seen.astype(np.float32)))
    return logits.softmax(1).numpy()


MODELS: list[dict[str, Any]] = [
    {"hidden": []},
    *({"hidden": [9, 7], "activation": function} for function in networks.ACTIVATIONS),
    {"hidden": [9], "dropout": 0.5, "batch_norm": True},
    {"hidden": [9], "activation": "sigmoid", "output": "sigmoid"},
    {"kind": "cnn", "channels": [4, 6], "kernel": 3, "activation": "gelu"},
    {"kind": "cnn", "channels": [4], "kernel": 7, "pool": "average", "batch_norm": True},
    {"kind": "cnn", "channels": [4, 6], "pool": "global", "hidden": [], "activation": "leaky_relu"},
    {"kind": "resnet", "width": 4, "blocks": 2, "dropout": 0.3},
    {"kind": "pretrained", "frozen": False, "dropout": 0.3},
]


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 19, 23)], ids=str)
def test_every_layer_of_the_graph_answers_as_the_network_s(
    shape: tuple[int, int, int], model: dict[str, Any]
) -> None:
    """Also where rows and columns are odd; every weight and every running mean is a random one."""
    classes = list("ab" if model.get("output") == "sigmoid" else "abcde")
    facts = DatasetFacts(input_shape=shape, classes=len(classes), train_images=100, test_images=20)
    fields = {"dataset": {"name": "own"}, "model": model}
    spec = JobSpec.model_validate(fields, context={"own": facts})
    channels = shape[0]
    mean, std = [0.2, 0.5, 0.6][:channels], [0.3, 0.1, 0.2][:channels]
    description = Description("own", shape, classes, (0, 255), mean, std, "")
    torch.manual_seed(1)
    net = networks.build(spec)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) * 0.4 + 0.01 - 0.2 * (tensor.ndim > 1))
    content = graph.written(net, spec.layers, description)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    pixels = np.random.default_rng(1).integers(0, 256, (3, *shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(content)
    (answers,) = session.run(["probabilities"], {"pixels": pixels})
    expected = probabilities(net, description, pixels)
    assert expected.std() > 0.01
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    about = {"spec": spec.model_dump(mode="json")} | description.signature()
    again = restored(export.weights(net, about | description.statistics()))
    np.testing.assert_allclose(asked(again, pixels), expected, atol=1e-5)
    assert all(each.requires_grad for each in again.parameters())  # it can be trained further


def test_a_layer_that_nobody_writes_is_refused() -> None:
    facts = DatasetFacts(input_shape=(1, 8, 8), classes=2, train_images=100, test_images=20)
    description = Description("own", (1, 8, 8), ["a", "b"], (0, 255), [0.0], [1.0], "")
    layers = [*JobSpec().model.layers(facts), Layer((2,), (2,))]
    net = torch.nn.Sequential(*networks.build(JobSpec()), torch.nn.Identity())
    with pytest.raises(TypeError, match="no operator is written for Layer"):
        graph.written(net, layers, description)


def test_the_weights_say_what_they_are(finished: Finished) -> None:
    length = int.from_bytes(finished.weights[:8], "little")
    metadata = json.loads(finished.weights[8 : 8 + length])["__metadata__"]
    assert json.loads(metadata["classes"]) == [str(n) for n in range(10)]
    assert json.loads(metadata["spec"])["dataset"]["name"] == "digits"
    assert [name for name, _ in sorted(deserialize(finished.weights))] == [
        "1.bias",
        "1.weight",
        "3.bias",
        "3.weight",
    ]


@pytest.mark.parametrize("preparation", [None, {"fit": "pad", "ground": [1, 2, 3]}])
def test_the_signature_says_how_pictures_were_prepared(
    digits: Dataset, preparation: dict[str, Any] | None
) -> None:
    described = msgspec.structs.replace(digits.description, preparation=preparation)
    dataset = dataclasses.replace(digits, description=described)
    signature = run(digits_spec(epochs=1), dataset)[0].signature
    assert signature.get("preparation") == preparation
    assert set(signature) - {"preparation"} == {"input_shape", "pixel_range", "classes"}
