"""A backbone is torchvision's network, and its weights come from torchvision's file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from app.jobspec import DatasetFacts, JobSpec
from tests.unit.training import pretrained
from worker import convert_backbone
from worker.training import backbone
from worker.training.backbone import BackboneUnavailable

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""Those of torchvision's ResNet18_Weights.transforms()."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained.backbones(tmp_path_factory.mktemp("backbones"))


def job(shape: tuple[int, int, int]) -> JobSpec:
    facts = DatasetFacts(input_shape=shape, classes=3, train_images=100, test_images=20)
    fields = {"dataset": {"name": "own"}, "model": {"kind": "pretrained"}}
    return JobSpec.model_validate(fields, context={"own": facts})


@torch.inference_mode()
def theirs(images: Tensor) -> Tensor:
    """torchvision's features of colour images on the scale 0 to 1."""
    net = pretrained.resnet18()
    net.fc = nn.Identity()
    mean, std = (torch.tensor(each).view(-1, 1, 1) for each in (MEAN, STD))
    seen: Tensor = net((images - mean) / std)
    return seen


@torch.inference_mode()
def ours(folder: Path, images: Tensor) -> Tensor:
    _, channels, rows, columns = images.shape
    net = backbone.load("resnet18", folder).frozen(job((channels, rows, columns)))
    seen: Tensor = net(images)
    return seen


@pytest.mark.parametrize("sides", [(224, 224), (64, 64), (33, 47), (5, 3)], ids=str)
def test_its_features_are_those_of_torchvision(folder: Path, sides: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(2))
    expected = theirs(images)
    assert expected.std() > 0.1
    np.testing.assert_allclose(ours(folder, images), expected, rtol=1e-4, atol=1e-4)


def test_a_grey_image_is_seen_as_a_coloured_one(folder: Path) -> None:
    images = torch.rand(2, 1, 40, 40, generator=torch.Generator().manual_seed(3))
    expected = theirs(images.expand(-1, 3, -1, -1))
    np.testing.assert_allclose(ours(folder, images), expected, rtol=1e-4, atol=1e-4)


def test_every_weight_but_the_output_layer_s_is_used(folder: Path) -> None:
    there = pretrained.resnet18().state_dict()
    kept = load_file(folder / "resnet18.safetensors")
    assert set(there) - set(kept) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(tensor, there[name]) for name, tensor in kept.items())


def test_files_of_others_are_read_as_they_are(folder: Path, tmp_path: Path) -> None:
    """With more than is needed, and without the counters of batch normalization."""
    there = {
        name: tensor
        for name, tensor in pretrained.resnet18().state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(there, tmp_path / "resnet18.safetensors")
    found, expected = (backbone.load("resnet18", each) for each in (tmp_path, folder))
    assert found.sha256 == expected.sha256
    assert all(tensor.data_ptr() % 64 == 0 for tensor in found.weights.values())


def test_other_weights_have_another_digest(folder: Path, tmp_path: Path) -> None:
    other = backbone.load("resnet18", pretrained.backbones(tmp_path, seed=2))
    assert other.sha256 != backbone.load("resnet18", folder).sha256


def test_missing_weights_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(BackboneUnavailable, match="The weights of resnet18 are missing") as raised:
        backbone.load("resnet18", tmp_path)
    assert "https://download.pytorch.org/models/resnet18-" in raised.value.advice
    assert "traind backbone resnet18 FILE" in raised.value.advice


def test_broken_files_are_told(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "resnet18.safetensors"
    whole = (folder / "resnet18.safetensors").read_bytes()
    for content in (b"", b"\x08", whole[:-100], b"\xff" * 1000):
        file.write_bytes(content)
        with pytest.raises(BackboneUnavailable, match=r"resnet18\.safetensors cannot be read"):
            backbone.load("resnet18", tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layer3.1.bn2.weight": None}, "layer3.1.bn2.weight is missing"),
        ({"conv1.weight": torch.zeros(64, 1, 7, 7)}, "has the shape [64, 1, 7, 7], not [64, 3, 7"),
        (
            {"conv1.weight": torch.zeros(64, 3, 7, 7, dtype=torch.int8)},
            "is torch.int8, not torch.f",
        ),
    ],
    ids=["missing", "shape", "type"],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path, change: dict[str, Tensor | None], says: str
) -> None:
    changed = pretrained.resnet18().state_dict() | change
    tensors = {name: tensor for name, tensor in changed.items() if tensor is not None}
    save_file(tensors, tmp_path / "resnet18.safetensors")
    with pytest.raises(BackboneUnavailable) as raised:
        backbone.load("resnet18", tmp_path)
    assert says in str(raised.value)
    source = tmp_path / "weights.pth"
    torch.save(tensors, source)
    told = convert_backbone.main("resnet18", source, tmp_path / "out")
    assert told is not None
    assert says in told
    assert not (tmp_path / "out").exists()


class Opened:
    """Pickled, a command that is run when it is loaded."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._file),)


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    source, made = tmp_path / "weights.pth", tmp_path / "made"
    torch.save({"conv1.weight": Opened(made)}, source)
    told = converted(source, tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith(
        f"{source}: cannot be converted: Weights only load failed".encode()
    )
    assert told.stderr.count(b"\n") == 1
    assert not made.exists()


def test_a_file_is_converted_in_a_process_of_its_own(folder: Path, tmp_path: Path) -> None:
    told = converted(pretrained.published(tmp_path), tmp_path / "new" / "folder")
    assert (told.returncode, told.stderr) == (0, b"")
    made = tmp_path / "new" / "folder" / "resnet18.safetensors"
    assert made.read_bytes() == (folder / "resnet18.safetensors").read_bytes()
    for wrong in (b"", b"PK\x03\x04 no zip", b"no pickle at all"):
        (tmp_path / "weights.pth").write_bytes(wrong)
        told = converted(tmp_path / "weights.pth", tmp_path)
        assert told.returncode == 1
        assert told.stderr.startswith(f"{tmp_path}/weights.pth: cannot be converted: ".encode())
        assert told.stderr.count(b"\n") == 1


def converted(source: Path, folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "worker.convert_backbone", "resnet18", source, folder]
    return subprocess.run(command, capture_output=True, check=False)
