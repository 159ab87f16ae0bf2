"""The arrays that training maps, written in pieces from the pixels that an import has prepared."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from worker.imports.pictures import Found, Prepared
from worker.training.dataset import Description

PIECE_BYTES = 2**22
"""Bytes of pictures that are copied at once."""
HIGHEST = 255
ORDER = ("train", "test", "validation")
"""The parts in the order of their digest."""

Pixels = NDArray[np.uint8]


def write(
    folder: Path, name: str, classes: list[str], parts: dict[str, list[Found]], prepared: Prepared
) -> Description:
    """Writes the arrays of each part that has examples, and dataset.json, which describes them."""
    pixels, preparation = prepared.pixels, prepared.preparation
    number = {label: index for index, label in enumerate(classes)}
    kind = np.uint8 if len(classes) <= 256 else np.uint16
    digest = sha256()
    mean, std = [0.0], [1.0]
    for part in ORDER:
        found = parts[part]
        if not found:
            continue
        shape = (len(found), *pixels.shape[1:])
        images = np.lib.format.open_memmap(
            folder / f"{part}_images.npy", mode="w+", dtype=np.uint8, shape=shape
        )
        for some in pieces(images):
            piece = pixels[[each.row for each in found[some]]]
            images[some] = piece
            digest.update(piece.tobytes())
        if part == "train":
            mean, std = moments(images)
        images.flush()
        labels = np.array([number[each.label] for each in found], kind)
        np.save(folder / f"{part}_labels.npy", labels)
        digest.update(labels.tobytes())
    _, channels, rows_, columns = pixels.shape
    description = Description(
        name=name,
        input_shape=(channels, rows_, columns),
        classes=classes,
        pixel_range=(0, HIGHEST),
        mean=mean,
        std=std,
        sha256=digest.hexdigest(),
        preparation={"fit": preparation.fit, "ground": list(preparation.ground)},
    )
    (folder / "dataset.json").write_bytes(msgspec.json.encode(description))
    return description


def pieces(images: Pixels) -> Iterator[slice]:
    """Slices of pictures that are copied at once."""
    rows = max(1, PIECE_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), rows):
        yield slice(start, start + rows)


def moments(images: Pixels) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, scaled to 0..1; 1 for one without any spread.

    Sums of whole numbers are exact, whatever the pieces.
    """
    channels = images.shape[1]
    total = squares = np.zeros(channels, np.uint64)
    for some in pieces(images):
        piece = images[some].astype(np.uint32)
        total = total + piece.sum(axis=(0, 2, 3), dtype=np.uint64)
        squares = squares + np.square(piece).sum(axis=(0, 2, 3), dtype=np.uint64)
    count = images.size // channels
    mean = [int(each) / count for each in total]
    variance = [
        (count * int(square) - int(each) ** 2) / count**2
        for each, square in zip(total, squares, strict=True)
    ]
    std = [each**0.5 / HIGHEST if each > 0 else 1.0 for each in variance]
    return [each / HIGHEST for each in mean], std
