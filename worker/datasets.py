"""Decodes a dataset once, into array files: the only importer of torchvision and scikit-learn.

Runs as a process of its own, `python -m worker.datasets NAME HOME [SOURCE]`, for torchvision's
import takes 1.4 to 2.1 s and no training process should pay it. What cannot be had is said on
standard output as JSON, with exit code 3.
"""

import contextlib
import shutil
import socket
import sys
import tempfile
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from filelock import FileLock

from worker.training.dataset import ARRAYS, Array, Description

UNAVAILABLE = 3
"""Exit code: the dataset cannot be had, and the reason stands on standard output."""
NETWORK_TIMEOUT_SECONDS = 20.0
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
FILES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
TEST_DIGITS = 360
"""How many of scikit-learn's 1,797 digits are the test set."""


class Unavailable(msgspec.Struct, frozen=True):
    """Why a dataset cannot be had, and what its owner can do."""

    message: str
    advice: str


class DatasetUnavailable(Exception):
    """A dataset cannot be had."""

    def __init__(self, reason: Unavailable) -> None:
        super().__init__(reason.message)
        self.reason = reason


def decode(name: str, home: Path, source: Path | None) -> None:
    """Makes the folder `home/name` of array files, whole or not at all.

    Raises:
        DatasetUnavailable: it was neither found under `source` nor could be downloaded.
    """
    folder = home / name
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f"{name}.lock"):
        if folder.exists():
            return
        for abandoned in home.glob(f"{name}.partial-*"):  # of a process that was killed
            shutil.rmtree(abandoned)
        with tempfile.TemporaryDirectory(dir=home, prefix=f"{name}.partial-") as unfinished:
            made = Path(unfinished) / name
            made.mkdir()
            if name == "digits":
                arrays, classes, highest = _digits()
            else:
                places = [place for place in (source, home / "downloads") if place is not None]
                arrays, classes, highest = _idx(name, places, Path(unfinished))
            for array_name, array in arrays.items():
                np.save(made / f"{array_name}.npy", array)
            description = _describe(name, arrays, classes, highest)
            (made / "dataset.json").write_bytes(msgspec.json.encode(description))
            made.rename(folder)


def _describe(name: str, arrays: dict[str, Array], classes: list[str], highest: int) -> Description:
    train = arrays["train_images"]
    digest = sha256()
    for array_name in ARRAYS:
        digest.update(arrays[array_name].tobytes())
    _, channels, rows, columns = train.shape
    return Description(
        name=name,
        input_shape=(channels, rows, columns),
        classes=classes,
        pixel_range=(0, highest),
        mean=float(train.mean(dtype=np.float64) / highest),
        std=float(train.std(dtype=np.float64) / highest),
        sha256=digest.hexdigest(),
    )


def _digits() -> tuple[dict[str, Array], list[str], int]:
    """scikit-learn's digits: 8x8 images of real handwriting, pixels 0 to 16."""
    from sklearn.datasets import load_digits  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, None]
    labels = digits.target.astype(np.uint8)
    parts = train_test_split(images, labels, test_size=TEST_DIGITS, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = parts
    arrays = dict(zip(ARRAYS, (train_images, train_labels, test_images, test_labels), strict=True))
    return arrays, [str(digit) for digit in range(10)], 16


def _idx(
    name: str, places: list[Path], unfinished: Path
) -> tuple[dict[str, Array], list[str], int]:
    """MNIST and its family, by torchvision: from one of the places, or downloaded."""
    kind = getattr(torchvision_datasets(), TORCHVISION[name])
    train, test = _open(kind, places, unfinished)
    arrays = {
        "train_images": train.data.numpy()[:, None],
        "train_labels": train.targets.numpy().astype(np.uint8),
        "test_images": test.data.numpy()[:, None],
        "test_labels": test.targets.numpy().astype(np.uint8),
    }
    is_digits = name == "mnist"  # torchvision calls them "0 - zero"
    return arrays, [str(n) for n in range(10)] if is_digits else list(train.classes), 255


def _open(kind: Any, places: list[Path], unfinished: Path) -> list[Any]:
    """Training and test set from the first place that holds them whole, or from the network.

    A download goes where an unfinished decode goes: torchvision writes its files in place and
    takes any file of the right name for whole, so that a killed download would be kept for ever.
    """
    folder = f"{kind.__name__}/raw"
    tried = []
    for place in places:
        try:
            return [kind(place, train=train) for train in (True, False)]
        except (RuntimeError, OSError, ValueError, AssertionError) as error:
            whole = all((place / folder / file).exists() for file in FILES)
            why = f"holds a damaged file ({_line(error)})" if whole else "does not hold its files"
            tried.append(f"{place / folder} {why}")
    socket.setdefaulttimeout(NETWORK_TIMEOUT_SECONDS)  # urllib would wait for ever
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return [kind(unfinished, train=train, download=True) for train in (True, False)]
    except (RuntimeError, OSError) as error:
        tried.append(f"the download failed ({_line(error)})")
    raise DatasetUnavailable(
        Unavailable(
            message=f"{kind.__name__} could not be had: {'; '.join(tried)}.",
            advice=f"Put {', '.join(FILES)} into {places[0].absolute() / folder}, "
            "or set TRAIND_DATASETS to a folder that holds "
            f"{folder}; the dataset `digits` needs no download.",
        )
    )


def _line(error: Exception) -> str:
    """What the error says, on one line: torchvision names each mirror on a line of its own."""
    return " ".join(str(error).split()) or type(error).__name__


def torchvision_datasets() -> Any:
    """torchvision's datasets, also beside a build of torch that its operators do not fit.

    The registry's torchvision is linked to CUDA: beside a CPU build of torch its operators do not
    load, and the import stops where it describes them. Datasets use none of them, so declared
    schemas are enough. Where the operators load, declaring them again would abort the process.
    """
    try:
        return import_module("torchvision.datasets")
    except RuntimeError as error:
        if "nms does not exist" not in str(error):
            raise
    for name in ("nms", "qnms"):
        schema = "(Tensor dets, Tensor scores, float threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", schema)
    return import_module("torchvision.datasets")


def main(arguments: list[str]) -> int:
    """Decodes the dataset that the arguments name; returns the exit code."""
    name, home, *source = arguments
    try:
        decode(name, Path(home), Path(source[0]) if source else None)
    except DatasetUnavailable as unavailable:
        sys.stdout.buffer.write(msgspec.json.encode(unavailable.reason))
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
