"""torchvision's own resnet18 with made-up weights: real ones cannot be had everywhere."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from worker import convert_backbone, download


def resnet18(seed: int = 1) -> Any:
    """The module, its running means and deviations as unequal as its weights."""
    download.torchvision_datasets()  # so that torchvision can be imported beside any torch
    made = import_module("torchvision.models").resnet18
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = made(weights=None).eval()
        for name, tensor in net.state_dict().items():
            if name.endswith("running_mean"):
                tensor.uniform_(-0.2, 0.2)
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
    return net


def published(folder: Path, seed: int = 1) -> Path:
    """The weights as torchvision publishes them."""
    file = folder / f"resnet18-{seed}.pth"
    torch.save(resnet18(seed).state_dict(), file)
    return file


def backbones(folder: Path, seed: int = 1) -> Path:
    """A folder as TRAIND_BACKBONES wants it."""
    assert convert_backbone.main("resnet18", published(folder, seed), folder) is None
    return folder
