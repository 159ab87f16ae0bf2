"""Backbones: networks that others have trained on millions of pictures, to start from.

Their weights are not part of traind: an operator puts them into TRAIND_BACKBONES.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from app.jobspec import resnet
from app.jobspec.layers import Layer, Shape, Standardize

Name = Literal["resnet18"]
LAYERS: dict[Name, Callable[[Shape], list[Layer]]] = {"resnet18": resnet.resnet18}
"""Each backbone from colour images to its features."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels by channel, red, green and blue, on the scale 0 to 1: what torchvision's
backbones were trained with."""
SOURCES: dict[Name, str] = {"resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth"}
"""Where torchvision's weights are."""


def layers(name: Name, inputs: Shape) -> list[Layer]:
    """From pixels on the scale 0 to 1, grey or in colour, to the mean of each last channel."""
    colored = (len(MEAN), *inputs[1:])
    return [Standardize(inputs, colored, MEAN, STD), *LAYERS[name](colored)]


def file(folder: Path, name: Name) -> Path:
    """Where the weights of a backbone are: safetensors, by torchvision's names."""
    return folder / f"{name}.safetensors"


def how_to_get(name: Name) -> str:
    """What an operator does for a backbone whose weights are missing."""
    return (
        f"Download {SOURCES[name]} and run `traind backbone {name} FILE` where the service runs: "
        f"it writes {name}.safetensors into TRAIND_BACKBONES"
    )
