"""The weights of a backbone, as an operator has put them beside the service.

The file is safetensors by torchvision's names, so that files which others publish in this form are
read as they are. What a backbone does not need, such as the output layer for ImageNet's classes, is
left out.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from app.jobspec import JobSpec, backbones
from app.jobspec.layers import Residual
from worker.training import networks

STEM = {1: "conv1", 2: "bn1"}
"""torchvision's names of the first layers, by their place."""
BODY = {0: "conv1", 1: "bn1", 3: "conv2", 4: "bn2"}
SHORTCUT = {0: "downsample.0", 1: "downsample.1"}
"""And of those in a residual block."""
BLOCKS = 2
"""Residual blocks of a stage, which is called `layer` there."""
COUNTER = "num_batches_tracked"
"""A number of batch normalization that nothing depends on here; files may lack it."""
IMAGE = (3, 224, 224)
"""Shape of the images that torchvision's backbones were trained on; the weights fit any size."""


class BackboneUnavailable(Exception):
    """The weights cannot be had; `advice` says what the operator can do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class Mismatch(Exception):
    """A file does not hold the weights of the backbone; says what is missing or different."""


class Backbone(NamedTuple):
    """Weights by the names that they have in a network of `networks.build`, and their digest."""

    weights: dict[str, Tensor]
    sha256: str

    def frozen(self, spec: JobSpec) -> nn.Sequential:
        """The network from pixels to features, (B, units), in evaluation mode."""
        net = networks.blank(spec.model.backbone_layers(spec.dataset.facts))
        net.load_state_dict(self.weights, assign=True)
        return net.requires_grad_(requires_grad=False).eval()

    def check_same(self, sha256: str | None) -> None:
        """Checks that a run which began with this digest may go on.

        Raises:
            BackboneUnavailable: the weights were exchanged since.
        """
        if sha256 != self.sha256:
            raise BackboneUnavailable(
                f"The backbone's weights were exchanged: the job began with those of SHA-256 "
                f"{sha256}, and now they have {self.sha256}.",
                "Put the former file back and retry from the checkpoint, or retry from the start.",
            )


def load(name: backbones.Name, folder: Path) -> Backbone:
    """The backbone of this name.

    Raises:
        BackboneUnavailable: its file is missing, or is not what it should be.
    """
    file, advice = backbones.file(folder, name), f"{backbones.how_to_get(name)}."
    try:
        tensors = wanted(name, load_file(file))
    except FileNotFoundError:
        raise BackboneUnavailable(f"The weights of {name} are missing.", advice) from None
    except (OSError, SafetensorError) as error:
        raise BackboneUnavailable(f"{file.name} cannot be read: {error}.", advice) from error
    except Mismatch as error:
        raise BackboneUnavailable(f"{file.name} holds no {name}: {error}.", advice) from error
    digest = sha256()
    for key, tensor in tensors.items():
        digest.update(key.encode() + tensor.numpy().tobytes())
    theirs = _names(name)
    return Backbone({ours: tensors[key] for ours, key in theirs.items()}, digest.hexdigest())


def wanted(name: backbones.Name, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the tensors that the backbone needs, by torchvision's names.

    Raises:
        Mismatch: one is missing, or has another shape or type.
    """
    shapes = _network(name).state_dict()
    chosen = {}
    for ours, key in _names(name).items():
        if key not in tensors and key.endswith(COUNTER):
            chosen[key] = torch.zeros((), dtype=torch.int64)
            continue
        if key not in tensors:
            raise Mismatch(f"{key} is missing")
        tensor, like = tensors[key], shapes[ours]
        if tensor.shape != like.shape:
            raise Mismatch(f"{key} has the shape {list(tensor.shape)}, not {list(like.shape)}")
        if tensor.is_floating_point() != like.is_floating_point():
            raise Mismatch(f"{key} is {tensor.dtype}, not {like.dtype}")
        # A copy: in the file it lies at any byte, and the last bits of a product depend on that.
        chosen[key] = torch.empty_like(like, device="cpu").copy_(tensor)
    return chosen


def _network(name: backbones.Name) -> nn.Sequential:
    return networks.blank(backbones.layers(name, IMAGE))


def _names(name: backbones.Name) -> dict[str, str]:
    """torchvision's name of each tensor, by its name in our network."""
    layers = backbones.layers(name, IMAGE)
    residual = [place for place, layer in enumerate(layers) if isinstance(layer, Residual)]
    block = {
        place: f"layer{number // BLOCKS + 1}.{number % BLOCKS}"
        for number, place in enumerate(residual)
    }
    names = {}
    for ours in _network(name).state_dict():
        place, *inside, tensor = ours.split(".")
        if inside:
            part, number = inside
            there = (BODY if part == "body" else SHORTCUT)[int(number)]
            names[ours] = f"{block[int(place)]}.{there}.{tensor}"
        else:
            names[ours] = f"{STEM[int(place)]}.{tensor}"
    return names
