"""Pictures whose header has been read, and the shape that all are brought to."""

import statistics
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from app.images import InvalidInput, files
from app.jobspec.import_options import ImageOptions
from worker.imports.examples import LeftOut, Source

LARGEST_CHOSEN, SMALLEST_CHOSEN = 224, 8
"""Sides in pixels that are chosen where none is declared."""
FINE_STEP, FINE_SIDE, COARSE_STEP = 4, 64, 16
"""Chosen sides are multiples of FINE_STEP up to FINE_SIDE, and of COARSE_STEP above."""

Told = Callable[[int, int, str], None]
"""Told how many of how many are done, and of what."""


def opened(content: bytes | NDArray[Any]) -> Image.Image:
    """A picture whose header has been read, but no pixel yet.

    Raises:
        InvalidInput: it is none, or too large.
    """
    if isinstance(content, bytes):
        image = files.open_file(content)
    else:
        pixels = content[:, :, 0] if content.ndim == 3 and content.shape[2] == 1 else content
        height, width = pixels.shape[:2]
        if not 1 <= min(height, width) <= max(height, width) <= files.MAX_SIDE:
            raise InvalidInput(
                f"has {width} x {height} pixels; 1 to {files.MAX_SIDE} a side are taken"
            )
        image = Image.fromarray(pixels)
    files.check_sizes([image])
    return image


def sides(source: Source, options: ImageOptions, told: Told) -> tuple[int, int]:
    """Height and width that the pictures are brought to.

    A size that is not declared is a square. Its side is the median of the pictures' shorter sides,
    rounded to the nearest multiple of 4 up to 64 pixels and of 16 above, at least 8 and at most
    224. So pictures of 28 or 32 pixels stay as they are, and networks can halve the sides twice.
    """
    if options.size is not None:
        height, width = options.size if isinstance(options.size, list) else [options.size] * 2
        return height, width
    shorter: list[int] = []
    for done, each in enumerate(source, 1):
        told(done, source.total, "headers")
        if isinstance(each, LeftOut):
            continue
        try:
            shorter.append(min(opened(each.content).size))
        except InvalidInput:  # the second pass lists it
            continue
    side = chosen(statistics.median_low(shorter)) if shorter else SMALLEST_CHOSEN
    return side, side


def chosen(median: int) -> int:
    """The side that is chosen for pictures of this shorter side."""
    step = FINE_STEP if median <= FINE_SIDE else COARSE_STEP
    return min(LARGEST_CHOSEN, max(SMALLEST_CHOSEN, (median + step // 2) // step * step))
