"""The arrays that training maps, written in pieces from the pixels that an import has prepared.

They are written as plain files: a full disk is then an error with a reason, where writing to a
mapping would end the process without one.
"""

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from app.images.preparation import Preparation
from worker.imports.parts import Divided
from worker.imports.preparing import Found, Pixels
from worker.training.dataset import Array, Description, TableDescription

PIECE_BYTES = 2**22
"""Bytes of examples that are copied at once."""
HIGHEST = 255
ORDER = ("train", "test", "validation")
"""The parts in the order of their digest."""


def write(
    folder: Path,
    name: str,
    *,
    classes: list[str],
    parts: Divided,
    pixels: Pixels,
    preparation: Preparation,
) -> Description:
    """Writes the arrays of each part that has examples, and dataset.json, which describes them.

    `pixels` are those of all pictures, uint8 (N, C, H, W).
    """
    channels, height, width = pixels.shape[1:]
    moments = Moments(channels)
    for piece in pieces(parts["train"], pixels):
        moments.add(piece)
    digest = write_parts(folder, classes, parts, lambda some: pieces(some, pixels))
    description = Description(
        name=name,
        input_shape=(channels, height, width),
        classes=classes,
        pixel_range=(0, HIGHEST),
        mean=moments.mean(),
        std=moments.std(),
        sha256=digest,
        preparation={"fit": preparation.fit, "ground": list(preparation.ground)},
    )
    describe(folder, description)
    return description


def write_parts(
    folder: Path,
    classes: list[str],
    parts: Divided,
    read: Callable[[list[Found]], Iterator[Array]],
) -> str:
    """Writes examples, labels and names of each part that has some; returns the digest of the
    first two.

    `read` gives the examples, some at a time, at least once for a part that has any.
    """
    number = {label: index for index, label in enumerate(classes)}
    kind = np.uint8 if len(classes) <= 256 else np.uint16
    digest = sha256()
    for part in ORDER:
        if not parts[part]:
            continue
        with (folder / f"{part}_images.npy").open("wb") as file:
            for count, piece in enumerate(read(parts[part])):
                if count == 0:
                    _begin(file, piece.dtype, (len(parts[part]), *piece.shape[1:]))
                file.write(piece.data)
                digest.update(piece.data)
            _to_disk(file)
        labels = np.array([number[each.label] for each in parts[part]], kind)
        with (folder / f"{part}_labels.npy").open("wb") as file:
            _begin(file, labels.dtype, labels.shape)
            file.write(labels.data)
            _to_disk(file)
        digest.update(labels.data)
        with (folder / f"{part}_names.json").open("wb") as file:
            file.write(msgspec.json.encode([each.name for each in parts[part]]))
            _to_disk(file)
    return digest.hexdigest()


def describe(folder: Path, description: Description | TableDescription) -> None:
    """Writes dataset.json."""
    with (folder / "dataset.json").open("wb") as file:
        file.write(msgspec.json.encode(description))
        _to_disk(file)


def pieces(found: list[Found], examples: Array) -> Iterator[Array]:
    """These examples out of all, some at a time."""
    count = max(1, PIECE_BYTES // max(1, examples[:1].nbytes))
    for start in range(0, len(found), count):
        rows = [each.row for each in found[start : start + count]]
        yield np.ascontiguousarray(examples[rows])


class Moments:
    """Mean and standard deviation of each channel, from counts of each value, which are exact."""

    def __init__(self, channels: int) -> None:
        self._counts: Array = np.zeros((channels, HIGHEST + 1), np.int64)

    def add(self, piece: Pixels) -> None:
        """Counts the pixels of some pictures (N, C, H, W)."""
        for channel in range(len(self._counts)):
            self._counts[channel] += np.bincount(piece[:, channel].ravel(), minlength=HIGHEST + 1)

    def mean(self) -> list[float]:
        """Scaled to 0..1."""
        return [total / count / HIGHEST for count, total, _ in self._sums()]

    def std(self) -> list[float]:
        """Scaled to 0..1; 1 for a channel that has one value only."""
        variances = [squares * count - total**2 for count, total, squares in self._sums()]
        counts = [count for count, _, _ in self._sums()]
        return [
            variance**0.5 / count / HIGHEST if variance else 1.0
            for variance, count in zip(variances, counts, strict=True)
        ]

    def _sums(self) -> list[tuple[int, int, int]]:
        """Of each channel: pixels, their sum, and the sum of their squares."""
        sums = []
        for counts in self._counts.tolist():
            values = list(enumerate(counts))
            total = sum(value * count for value, count in values)
            sums.append((sum(counts), total, sum(value**2 * count for value, count in values)))
        return sums


def _begin(file: BinaryIO, kind: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    """Writes the header of an npy file."""
    about = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)


def _to_disk(file: BinaryIO) -> None:
    """The folder gets its name only when its files are on the disk for sure."""
    file.flush()
    os.fsync(file.fileno())
