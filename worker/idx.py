"""Reads the IDX files of MNIST and its family, plain or compressed as their mirrors send them.

An IDX file is a header of big-endian 32-bit numbers and then the values, one byte each. The header
is a magic number, which says the type of the values and the number of dimensions, and the size of
each dimension (LeCun, Cortes and Burges, "The MNIST database", file formats).
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from app.jobspec import DatasetFacts
from worker.training.dataset import Array

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""Training and test set, in the order of `ARRAYS`."""
UNSIGNED_BYTES = 0x0800
"""Magic number of unsigned bytes; the number of dimensions is added to it."""


class WrongFile(Exception):
    """A file does not hold what its name says."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} {what}")


def read_folder(folder: Path, facts: DatasetFacts) -> list[Array]:
    """The arrays of `FILES`: images (N, C, H, W) and labels (N,), training and then test.

    Raises:
        FileNotFoundError: a file is missing.
        WrongFile: a file is damaged, or is not the one that its name says.
    """
    paths = [_find(folder, name) for name in FILES]
    channels, *image_shape = facts.input_shape
    arrays: list[Array] = []
    for path, count in zip(
        paths, (facts.train_images,) * 2 + (facts.test_images,) * 2, strict=True
    ):
        if "images" in path.name:
            images = _read(path, (count, *image_shape))
            if images.min() == images.max():
                raise WrongFile(path, f"holds only blank images (every pixel is {images.min()})")
            arrays.append(images.reshape(count, channels, *image_shape))
        else:
            labels = _read(path, (count,))
            if labels.max() >= facts.classes:
                wrong = f"holds the label {labels.max()}; labels are 0 to {facts.classes - 1}"
                raise WrongFile(path, wrong)
            arrays.append(labels)
    return arrays


def _find(folder: Path, name: str) -> Path:
    """The file itself, else its compressed form."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"{folder} holds neither {name} nor {name}.gz")


def _read(path: Path, shape: tuple[int, ...]) -> Array:
    """The values of a file, which must have this shape.

    Raises:
        WrongFile: it is damaged, or holds something else.
    """
    content = _content(path)
    header = 4 * (1 + len(shape))
    magic, *sizes = (int(number) for number in np.frombuffer(content[:header], ">u4"))
    expected = UNSIGNED_BYTES + len(shape)
    if magic != expected:
        kinds = {UNSIGNED_BYTES + 1: "labels", UNSIGNED_BYTES + 3: "images"}
        found = f"the magic number of {kinds[magic]}" if magic in kinds else "no IDX magic number"
        raise WrongFile(path, f"is no IDX file of {kinds[expected]}: it begins with {found}")
    if tuple(sizes) != shape:
        found, wanted = (" x ".join(map(str, each)) for each in (sizes, shape))
        raise WrongFile(path, f"holds {found} values instead of {wanted}; are two files swapped?")
    values = np.frombuffer(content, np.uint8, offset=header)
    if len(values) != math.prod(shape):
        damage = "is cut off" if len(values) < math.prod(shape) else "is too long"
        raise WrongFile(path, f"{damage}: {len(values)} values instead of {math.prod(shape)}")
    return values.reshape(shape)


def _content(path: Path) -> bytes:
    """The file's bytes, decompressed.

    Raises:
        WrongFile: it cannot be read, or is shorter than a header.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise WrongFile(path, f"cannot be read ({error})") from error
    if len(content) < 16:
        raise WrongFile(path, f"is cut off: {len(content)} bytes are no IDX file")
    return content
