"""Pictures of any size as pixels of one shape, on the disk: a few are in memory at once.

Two passes. The first reads headers, and chooses what was not declared. The second decodes, in as
many threads as there are processors: Pillow lets go of Python's lock.
"""

import os
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from app.images import InvalidInput, files
from app.images.preparation import Preparation
from app.jobspec.import_options import ImageOptions
from worker.imports.examples import Example, LeftOut, Source
from worker.imports.refusals import Refusal

GREY_MODES = {"1", "L", "LA", "I", "I;16", "F"}
"""Pillow's modes of pictures without colour."""
MAX_CHOSEN_SIDE = 224
"""Longest side that is chosen where none is declared."""
STEP = 8
"""Chosen sides are multiples of this, so that pooling halves them evenly."""
SMALLEST_SIDE = 8

Shape = tuple[int, int, int]
Told = Callable[[int, int], None]
"""Told how many pictures are done, of how many."""


@dataclass(frozen=True)
class Found:
    """A picture that was brought to the shape."""

    row: int
    """Where its pixels are."""
    name: str
    label: str
    part: str | None
    group: str | None
    digest: str
    """SHA-256 of its pixels."""
    look: int
    """Perceptual hash of 64 bits: pictures that look alike differ in few."""


class Prepared(NamedTuple):
    """All pictures of a file."""

    pixels: NDArray[np.uint8]
    """(N, C, H, W), mapped from the disk."""
    found: list[Found]
    left_out: list[LeftOut]
    preparation: Preparation
    chosen: ImageOptions
    """The options with what was chosen."""


def prepare(source: Source, options: ImageOptions, scratch: Path, told: Told) -> Prepared:
    """Reads every picture of a source.

    Raises:
        Refusal: there is none, or the disk's file would be too large.
    """
    shape, most = _survey(source, options)
    ground = ImageColor.getrgb(options.ground)
    preparation = Preparation(options.fit, (ground[0], ground[1], ground[2]))
    pixels = np.lib.format.open_memmap(
        scratch / "pixels.npy", mode="w+", dtype=np.uint8, shape=(most, *shape)
    )
    found: list[Found] = []
    left_out: list[LeftOut] = []
    for done, (each, outcome) in enumerate(_decoded(source, preparation, shape), 1):
        if isinstance(each, Example) and not isinstance(outcome, str):
            row = len(found)
            pixels[row], digest, looks = outcome
            found.append(Found(row, each.name, each.label, each.part, each.group, digest, looks))
        else:
            left_out.append(LeftOut(each.name, str(outcome)))
        told(done, source.total)
    chosen = options.model_copy(
        update={"size": [shape[1], shape[2]], "color": "grey" if shape[0] == 1 else "rgb"}
    )
    return Prepared(pixels, found, left_out, preparation, chosen)


def _survey(source: Source, options: ImageOptions) -> tuple[Shape, int]:
    """The shape that pictures are brought to, and how many there are at most.

    A side that is not declared is the median of the pictures' shorter sides, down to a multiple of
    STEP, at least SMALLEST_SIDE and at most MAX_CHOSEN_SIDE. Pictures are grey if each file is.
    """
    sides: list[int] = []
    grey, count = True, 0
    declared = options.size is not None and options.color != "auto"
    for each in source:
        if isinstance(each, LeftOut):
            continue
        count += 1
        if declared:
            continue
        try:
            image = _opened(each)
        except InvalidInput:
            continue
        sides.append(min(image.size))
        grey = grey and image.mode in GREY_MODES
    if not count or (not declared and not sides):
        raise Refusal(
            "no_pictures",
            "There is no picture in it.",
            "Put the pictures of each class into a folder of their own: cats/1.png, dogs/2.png.",
        )
    channels = {"grey": 1, "rgb": 3}.get(options.color, 1 if grey else 3)
    if isinstance(options.size, list):
        return (channels, options.size[0], options.size[1]), count
    side = options.size or _chosen(sides)
    return (channels, side, side), count


def _chosen(sides: list[int]) -> int:
    side = int(statistics.median_low(sides)) // STEP * STEP
    return min(MAX_CHOSEN_SIDE, max(SMALLEST_SIDE, side))


def _opened(example: Example) -> Image.Image:
    """A picture whose header has been read.

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(example.content, bytes):
        return files.open_file(example.content)
    pixels = np.asarray(example.content)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if min(pixels.shape[:2]) < 1 or max(pixels.shape[:2]) > files.MAX_SIDE:
        raise InvalidInput(f"has {pixels.shape[1]} x {pixels.shape[0]} pixels")
    return Image.fromarray(pixels)


Outcome = tuple[NDArray[np.uint8], str, int] | str
"""Pixels, digest and perceptual hash of a picture, or why it is left out."""


def _decoded(
    source: Source, preparation: Preparation, shape: Shape
) -> Iterator[tuple[Example | LeftOut, Outcome]]:
    """Every entry of the source with what it was decoded to, in the source's order."""

    def work(example: Example) -> Outcome:
        try:
            image = _opened(example)
            files.check_sizes([image])
            files.draft(image)
            pixels = preparation.prepare(image, shape)
        except InvalidInput as invalid:
            return invalid.message
        return pixels, sha256(pixels.tobytes()).hexdigest(), look(pixels)

    threads = os.cpu_count() or 1
    waiting: deque[tuple[Example | LeftOut, Future[Outcome] | str]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for each in source:
            if isinstance(each, LeftOut):
                waiting.append((each, each.reason))
            else:
                waiting.append((each, pool.submit(work, each)))
            if len(waiting) > 4 * threads:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _result(
    each: Example | LeftOut, outcome: "Future[Outcome] | str"
) -> tuple[Example | LeftOut, Outcome]:
    return each, outcome if isinstance(outcome, str) else outcome.result()


def look(pixels: NDArray[Any]) -> int:
    """The perceptual hash of pixels (C, H, W): the signs of their lowest frequencies.

    It is pHash as the package imagehash has it (Krawetz 2011, "Looks like it").
    """
    grey = pixels[0] if len(pixels) == 1 else pixels.mean(axis=0).astype(np.uint8)
    bits = imagehash.phash(Image.fromarray(grey)).hash
    return int.from_bytes(np.packbits(bits).tobytes())
