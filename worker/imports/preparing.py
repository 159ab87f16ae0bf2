"""Every picture of a file brought to one shape, on the disk: few are in memory at once.

They are decoded in as many threads as there are processors: Pillow lets go of Python's lock. The
pixels are appended to a plain file and not to a mapping, which a full disk would end without a
word (SIGBUS).
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from app.images import InvalidInput, files
from app.images.preparation import Preparation
from app.jobspec.import_options import ImageOptions
from worker.imports.examples import Example, LeftOut, Source
from worker.imports.names import ClassNames, shown
from worker.imports.pictures import Told, opened, sides

IN_FLIGHT_BYTES = files.MAX_DECODED_BYTES
"""Most memory of the pictures that are decoded at the same time, unless a single one takes more."""
SMALL_BYTES = 2**16
"""A picture that takes no more memory is decoded at once: handing it to a thread takes longer."""
IN_FLIGHT = 64
"""Most pictures that wait for a thread or for those before them."""

BUFFER = 2**20
"""Bytes of pixels that are written at once."""

Shape = tuple[int, int, int]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that was brought to the shape."""

    row: int
    """Where its pixels are."""
    name: str
    label: str
    part: str | None
    group: str | None
    digest: bytes
    """SHA-256 of its pixels."""
    look: int
    """Perceptual hash of 64 bits: pictures that look alike differ in few."""


class Prepared(NamedTuple):
    """All pictures of a file."""

    pixels: Pixels
    """(N, C, H, W), mapped from the disk."""
    found: list[Found]
    left_out: list[LeftOut]
    preparation: Preparation


class Made(NamedTuple):
    """What a picture was made to."""

    pixels: Pixels
    digest: bytes
    look: int
    is_grey: bool


Waiting = deque[tuple[Example | LeftOut, Future[Made | LeftOut] | Made | LeftOut, int]]
"""Entries in their order, each with what it was made to, or will be, and the memory that takes."""


def prepare(source: Source, options: ImageOptions, scratch: Path, told: Told) -> Prepared:
    """Reads every picture of a source.

    Where the colour is not declared, pictures are made in three channels first. If these are equal
    in every pixel of every picture, one is kept: then a grey picture is grey in whatever file.

    Raises:
        Refusal: the file cannot be used.
    """
    height, width = sides(source, options, told)
    red, green, blue, *_ = ImageColor.getrgb(options.ground)
    preparation = Preparation(options.fit, (red, green, blue))
    shape = (1 if options.color == "grey" else 3, height, width)
    found: list[Found] = []
    left_out: list[LeftOut] = []
    classes = ClassNames()
    are_grey = options.color == "auto"
    with (scratch / "pixels").open("wb", buffering=BUFFER) as spool:
        for done, (each, outcome) in enumerate(_made(source, preparation, shape), 1):
            told(done, source.total, "images")
            if isinstance(each, LeftOut):
                left_out.append(LeftOut(shown(each.name), each.reason, each.is_damaged))
                continue
            if isinstance(outcome, LeftOut):
                left_out.append(outcome)
                continue
            spool.write(outcome.pixels.data)
            are_grey = are_grey and outcome.is_grey
            row, name, label = len(found), shown(each.name), classes.of(each.label)
            found.append(
                Found(row, name, label, each.part, each.group, outcome.digest, outcome.look)
            )
    pixels = _mapped(scratch / "pixels", (len(found), *shape))
    return Prepared(pixels[:, :1] if are_grey else pixels, found, left_out, preparation)


def _mapped(file: Path, shape: tuple[int, int, int, int]) -> Pixels:
    return np.memmap(file, np.uint8, "r", shape=shape) if shape[0] else np.empty(shape, np.uint8)


def _made(
    source: Source, preparation: Preparation, shape: Shape
) -> Iterator[tuple[Example | LeftOut, Made | LeftOut]]:
    """Every entry of the source with what it was made to, in the source's order."""
    waiting: Waiting = deque()
    taken = 0
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        # All start while there is memory: Python waits for ever for a thread that has none to start
        together = Barrier(threads)
        list(pool.map(lambda _: together.wait(), range(threads)))
        for each in source:
            if isinstance(each, LeftOut):
                waiting.append((each, each, 0))
                continue
            try:
                image = opened(each.content)
                size = files.draft(image) + _bytes_of(each)
            except InvalidInput as invalid:
                waiting.append((each, LeftOut(shown(each.name), invalid.message), 0))
                continue
            while waiting and (taken + size > IN_FLIGHT_BYTES or len(waiting) >= IN_FLIGHT):
                taken -= waiting[0][2]
                yield _first(waiting)
            work = image, shown(each.name), preparation, shape
            if size <= SMALL_BYTES:
                waiting.append((each, _make(*work), 0))
            else:
                waiting.append((each, pool.submit(_make, *work), size))
                taken += size
        while waiting:
            yield _first(waiting)


def _first(waiting: Waiting) -> tuple[Example | LeftOut, Made | LeftOut]:
    each, outcome, _ = waiting.popleft()
    return each, outcome.result() if isinstance(outcome, Future) else outcome


def _bytes_of(example: Example) -> int:
    content = example.content
    return len(content) if isinstance(content, bytes) else content.nbytes


def _make(image: Image.Image, name: str, preparation: Preparation, shape: Shape) -> Made | LeftOut:
    """Decodes a picture and brings it to the shape; says so if it is damaged."""
    try:
        pixels = preparation.prepare(image, shape)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises whatever a decoder meets
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from error
        return LeftOut(name, str(error) or type(error).__name__)
    is_grey = len(pixels) == 1 or bool(
        np.array_equal(pixels[0], pixels[1]) and np.array_equal(pixels[1], pixels[2])
    )
    return Made(pixels, sha256(pixels.data).digest(), look(pixels), is_grey)


def look(pixels: Pixels) -> int:
    """The perceptual hash of pixels (C, H, W): the signs of their lowest frequencies.

    It is pHash, from the package imagehash. On the emoji it survives JPEG and resizing better than
    dHash with fewer false pairs: see duplicates.py.
    """
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    bits = imagehash.phash(image).hash
    return int.from_bytes(np.packbits(bits).tobytes())
