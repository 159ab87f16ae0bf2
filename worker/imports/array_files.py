"""Pictures as arrays: npz as Keras and many courses have it, and IDX files as MNIST's.

Arrays are unpacked to the disk and mapped, so that none is in memory as a whole.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from worker.idx import FILES, UNSIGNED_BYTES
from worker.imports.archives import Archive, Damaged, Unpacked, copy, raise_fault_of_machine
from worker.imports.examples import Example, LeftOut
from worker.imports.layout import parts_of
from worker.imports.refusals import Refusal
from worker.imports.tables import text

Array = NDArray[Any]
NPZ = {
    ("x_train", "y_train"): "train",
    ("x_val", "y_val"): "validation",
    ("x_test", "y_test"): "test",
    ("train_images", "train_labels"): "train",
    ("val_images", "val_labels"): "validation",
    ("test_images", "test_labels"): "test",
    ("images", "labels"): None,
    ("x", "y"): None,
}
"""Names of pictures and labels in an npz, and the part that they are for."""
BRIGHTEST = 255
MAX_CODE_POINT = 0x10FFFF
"""The last character of Unicode. NumPy keeps texts as numbers, and does not check them."""
CHANNELS = (1, 3, 4)
"""Grey, colours, or colours with transparency."""
IDX = {(FILES[0], FILES[1]): "train", (FILES[2], FILES[3]): "test"}


Part = tuple[str | None, Array, Array]
"""What the pictures are for, the pictures, and their labels."""


class Arrays:
    """Arrays of pictures with arrays of labels."""

    def __init__(self, kind: str, parts: list[Part]) -> None:
        self.format = kind
        self._parts = parts
        self.total = sum(len(images) for _, images, _ in parts)

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """See `Source`."""
        for part, images, labels in self._parts:
            for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
                name = f"{part or 'picture'} {number}"
                called = text(label.item() if hasattr(label, "item") else label)
                if called:
                    yield Example(name, called, np.asarray(pixels), part)
                else:
                    yield LeftOut(name, "it has no label", is_damaged=False)


def found(archive: Archive, scratch: Path) -> Arrays | None:
    """The arrays of an archive, or None where it holds files of pictures.

    Raises:
        Refusal: there are arrays, and they cannot be used.
    """
    by_name = {parts_of(name)[-1].lower(): name for name in archive.names}
    if archive.names and all(name.endswith(".npy") for name in by_name):
        return _npz(archive, by_name, scratch)
    plain = {name.removesuffix(".gz").replace(".idx", "-idx"): name for name in by_name}
    pairs = [(pair, part) for pair, part in IDX.items() if pair[0] in plain]
    if not pairs:
        return None
    parts: list[Part] = []
    for pair, part in pairs:
        if pair[1] not in plain:
            raise Refusal("no_labels", f"{pair[1]} is missing.", "Pack it beside the pictures.")
        images, labels = (_idx(archive, by_name[plain[name]], scratch) for name in pair)
        parts.append((part, *_fitting(images, labels, pair)))
    return Arrays("IDX", parts)


def _npz(archive: Archive, by_name: dict[str, str], scratch: Path) -> Arrays:
    parts: list[Part] = []
    for pair, part in NPZ.items():
        if all(f"{name}.npy" in by_name for name in pair):
            images, labels = (_npy(archive, by_name[f"{name}.npy"], scratch) for name in pair)
            parts.append((part, *_fitting(images, labels, pair)))
    if not parts:
        there = ", ".join(sorted(name.removesuffix(".npy") for name in by_name)[:20])
        raise Refusal(
            "no_arrays",
            f"The npz holds {there}.",
            "Name the arrays x_train, y_train, x_test, y_test, or images, labels.",
        )
    return Arrays("npz", parts)


def _npy(archive: Archive, name: str, scratch: Path) -> Array:
    file = scratch / f"array-{len(list(scratch.iterdir()))}.npy"
    try:
        archive.copy(name, file)
        holds_objects = _dtype(file).hasobject
        if not holds_objects:
            return cast(Array, np.lib.format.open_memmap(file, mode="r"))
    except (Damaged, ValueError, EOFError, OSError, SyntaxError, RecursionError) as error:
        raise_fault_of_machine(error)
        raise Refusal(
            "damaged_file", f"{name} cannot be read: {error}.", "Save it again with numpy.savez."
        ) from error
    raise Refusal(
        "unfit_arrays",
        f"{name} holds Python objects (dtype object), which are not loaded.",
        "Give it a type of its own before numpy.savez: pictures of one size by "
        "np.stack(x).astype('uint8'), labels by y.astype('int64') or y.astype(str).",
    )


def _dtype(file: Path) -> np.dtype[Any]:
    """What a file holds, by its header.

    Raises:
        ValueError, EOFError, SyntaxError: it is no npy file.
    """
    with file.open("rb") as opened:
        is_first = np.lib.format.read_magic(opened) == (1, 0)
        form = np.lib.format
        read = form.read_array_header_1_0 if is_first else form.read_array_header_2_0
        return read(opened)[2]


def _idx(archive: Archive, name: str, scratch: Path) -> Array:
    """The values of an IDX file: see worker/idx.py."""
    file = scratch / f"array-{len(list(scratch.iterdir()))}"
    try:
        archive.copy(name, file)
        if name.lower().endswith(".gz"):
            file = _unpacked(file)
        return _mapped(file)
    except (Damaged, OSError, EOFError, zlib.error) as error:
        raise_fault_of_machine(error)
        raise Refusal(
            "damaged_file", f"{name} cannot be read: {error}.", "Send it again."
        ) from error


def _mapped(file: Path) -> Array:
    with file.open("rb") as opened:
        dimensions = int.from_bytes(opened.read(4), "big") - UNSIGNED_BYTES
        if dimensions not in (1, 3):
            raise Damaged("it is no IDX file of bytes")
        shape = tuple(int.from_bytes(opened.read(4), "big") for _ in range(dimensions))
    header = 4 * (1 + dimensions)
    if not math.prod(shape) or file.stat().st_size != header + math.prod(shape):
        raise Damaged("it is empty, cut off or too long")
    return np.memmap(file, np.uint8, "r", header, shape)


def _unpacked(file: Path) -> Path:
    unpacked = file.with_suffix(".unpacked")
    with gzip.open(file) as packed, unpacked.open("wb") as to:
        copy(cast(IO[bytes], packed), to, Unpacked(file.stat().st_size))
    return unpacked


def _fitting(images: Array, labels: Array, names: tuple[str, str]) -> tuple[Array, Array]:
    """The arrays, if there is a label for each picture.

    Raises:
        Refusal: they do not fit together.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    wrong = None
    if images.dtype != np.uint8:
        wrong = f"{names[0]} holds {images.dtype}"
    elif images.ndim not in (3, 4) or (images.ndim == 4 and not _channels_last(images)[0]):
        wrong = f"{names[0]} has the shape {images.shape}"
    elif labels.ndim != 1 or labels.dtype.kind not in "iuUSb":
        wrong = f"{names[1]} has the shape {labels.shape} of {labels.dtype}"
    elif labels.dtype.kind == "U" and not _is_text(labels):
        wrong = f"{names[1]} holds numbers that stand for no character"
    elif len(labels) != len(images):
        wrong = f"{names[0]} has {len(images)} pictures and {names[1]} {len(labels)} labels"
    if wrong is not None:
        raise Refusal(
            "unfit_arrays",
            f"{wrong}.",
            "Pictures are uint8 of shape (N, H, W), (N, H, W, C) or (N, C, H, W), with one label "
            f"each: whole numbers or texts.{_to_bytes(images)}",
        )
    last, turned = _channels_last(images) if images.ndim == 4 else (True, images)
    return (turned if last else images), labels


def _is_text(labels: Array) -> bool:
    """Whether an array of texts can be read: Python fails at characters that do not exist."""
    if not labels.size or not labels.dtype.itemsize:
        return True
    characters = labels.view(np.dtype("u4").newbyteorder(labels.dtype.byteorder))
    return bool(characters.max() <= MAX_CODE_POINT)


def _to_bytes(images: Array) -> str:
    """A sentence that says how pictures of another type become uint8, by what they hold."""
    if images.dtype == np.uint8 or images.dtype.kind not in "biuf" or not images.size:
        return ""
    low, high = float(images.min()), float(images.max())
    if math.isnan(low):
        return " These hold NaN, which is no brightness: give such pixels a value first."
    if low >= 0 and high <= 1:
        return " Fractions become uint8 by (x * 255).astype('uint8')."
    if low >= 0 and high <= BRIGHTEST:
        pieces = np.atleast_1d(images)
        if all(np.array_equal(piece, np.floor(piece)) for piece in pieces):
            return " These are whole numbers from 0 to 255 already: save x.astype('uint8')."
        return " These run from 0 to 255 already: save x.round().astype('uint8')."
    return f" These run from {low:g} to {high:g}: bring them to 0 to 255, then .astype('uint8')."


def _channels_last(images: Array) -> tuple[bool, Array]:
    """Whether the number of channels is a known one, and the array with the channels last."""
    if images.shape[3] in CHANNELS:
        return True, images
    return images.shape[1] in CHANNELS, images.transpose(0, 2, 3, 1)
