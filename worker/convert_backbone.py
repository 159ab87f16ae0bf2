"""`python -P -m worker.convert_backbone NAME FILE FOLDER`: weights as traind reads them.

FILE is torchvision's (a pickle, of which torch reads nothing but tensors) or safetensors with
torchvision's names. What cannot be used is told in one line, with exit code 1.
"""

import sys
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.jobspec import backbones
from app.lifeline import Line
from worker.training.backbone import Mismatch, wanted


def main(name: backbones.Name, source: Path, folder: Path) -> str | None:
    """Writes the folder's file of this backbone, whole or not at all; returns what is wrong."""
    target = backbones.file(folder, name)
    unfinished = target.with_suffix(".partial")
    try:
        tensors = wanted(name, _read(source))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, unfinished)
        unfinished.replace(target)
    except Mismatch as error:
        return f"{source} holds no {name}: {error}"
    except Exception as error:  # what torch and pickle raise of a broken file is not written down
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return f"{source}: cannot be converted: {first}"
    return None


def _read(source: Path) -> dict[str, Tensor]:
    if source.suffix == ".safetensors":
        return load_file(source)
    found = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
        raise Mismatch("it is no state dict")
    return cast(dict[str, Tensor], found)


if __name__ == "__main__":
    Line()
    sys.exit(main(cast(backbones.Name, sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
