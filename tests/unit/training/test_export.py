"""The exported files hold the trained network and need no PyTorch."""

import dataclasses
import json
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import deserialize
from safetensors.torch import load

from tests.unit.training.runs import digits_spec, run
from worker.messages import Finished
from worker.training import export, networks
from worker.training.dataset import Dataset


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
    description = digits.description
    whole = torch.nn.Sequential(export.Pixels(description), net, torch.nn.Softmax(dim=1))
    with torch.inference_mode():
        expected = whole(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert export.weights_sha256(net) == finished.weights_sha256


def test_the_graph_is_valid_onnx(finished: Finished) -> None:
    onnx.checker.check_model(onnx.load_from_string(finished.onnx), full_check=True)


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
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, preparation: dict[str, Any] | None
) -> None:
    monkeypatch.setattr(export, "onnx", lambda *_: b"")
    described = msgspec.structs.replace(digits.description, preparation=preparation)
    dataset = dataclasses.replace(digits, description=described)
    signature = run(digits_spec(epochs=1), dataset)[0].signature
    assert signature.get("preparation") == preparation
    assert set(signature) - {"preparation"} == {"input_shape", "pixel_range", "classes"}
