"""Brings a picture of a digit to a model's input the way MNIST was made.

MNIST's digits were scaled, aspect kept and with anti-aliasing, to fit 20x20 pixels, and put into
28x28 by their centre of mass, bright on black (Y. LeCun, C. Cortes, C. Burges, "The MNIST database
of handwritten digits"). A photo or a drawing first needs its ground removed and its digit found.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from app.serving.components import connected
from app.serving.input_warnings import (
    BLANK_PICTURE,
    DARK_FRAME,
    FAINT,
    SEVERAL_OBJECTS,
    InputWarning,
)
from app.serving.sheet import otsu, plane, sheet_of

FINE = 80
"""Longest side, in pixels, at which the strokes' width is measured and corrected."""
SEARCH = 400
"""Longest side at which the digit is looked for."""
FAINTEST = 16.0
"""Least distance of ink from the ground, of 255; a picture with less is blank."""
FAINT_BELOW = 32.0
"""Distance of ink from the ground below which a drawing is called faint."""
BLURRED = 0.25
"""Least part of its full strength that a stroke gains within SHADE of a side. Shade gains less."""
SHADE = 1 / 50
SMALLEST_SHADE = 64
"""Side of a picture below which strokes are as wide as shades."""
THIN, THICK = 0.06, 0.2
"""Stroke widths to correct, as a fraction of the digit's longest side; MNIST has 0.08 to 0.18."""
NORMAL = 0.11
MOST_STEPS = 6
"""Pixels, of FINE, by which a stroke's edge is moved at most: a blot stays a blot."""
SIMILAR = 0.6
"""Least ratio of the longest sides of two strokes that may be two digits."""
APART = 0.12
"""Least gap between two digits, as a fraction of the larger one's longest side."""

Grey = NDArray[np.float32]
"""(height, width), 0 for the ground to 1 for ink."""


class Digit(NamedTuple):
    """A digit as MNIST has it, and the doubts about the picture that it was found in."""

    pixels: NDArray[np.uint8]
    """(height, width), 0 to 255, bright on black; zeros if the picture is blank."""
    warnings: list[InputWarning]


def like_mnist(picture: Image.Image, height: int, width: int, fill: float = 20 / 28) -> Digit:
    """The digit of an upright picture; `fill` is the fraction of each side that it fits into."""
    picture = picture.convert("RGB")
    warnings = []
    if sheet := sheet_of(picture):
        picture = sheet
        warnings.append(DARK_FRAME)
    small = picture.copy()
    small.thumbnail((SEARCH, SEARCH))
    ink, _ = _ink(small)
    box = None if _is_shade(ink) else _box(ink)
    digit = None
    if box is not None:
        found, contrast = _ink(_surroundings(picture, box, picture.width / small.width))
        digit = _crop(found)
    if digit is None:
        return Digit(np.zeros((height, width), np.uint8), [*warnings, BLANK_PICTURE])
    if contrast < FAINT_BELOW:
        warnings.append(FAINT)
    if _has_several_objects(ink):
        warnings.append(SEVERAL_OBJECTS)
    fine = _with_normal_strokes(_scaled(digit, FINE, FINE))
    scaled = _scaled(fine, max(1, round(fill * height)), max(1, round(fill * width)))
    brightest = float(np.max(scaled))
    return Digit(_centred(scaled / brightest if brightest else scaled, height, width), warnings)


def has_light_ground(picture: Image.Image) -> bool:
    """Whether the border of a picture is nearer to white than to black."""
    grey = np.asarray(picture.convert("L"))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(border) > 127)


def _ink(picture: Image.Image) -> tuple[Grey, float]:
    """How far each pixel's colour is from the ground's, from none (0) to that of full ink (1).

    With it, the distance of full ink from the ground, of 255.
    """
    colours = np.asarray(picture.filter(ImageFilter.MedianFilter(3)), np.float32)
    if min(picture.size) < 40:  # the filter would take thin strokes for specks
        colours = np.asarray(picture, np.float32)
    distance = np.linalg.norm(colours - _ground(colours), axis=2) / np.float32(np.sqrt(3))
    threshold = otsu(distance)
    full = float(np.percentile(distance[distance >= threshold], 60))
    if full < FAINTEST:
        return np.zeros_like(distance), full
    least = max(threshold * 0.5, FAINTEST / 2)
    ink: Grey = np.clip((distance - least) / max(full - least, 1.0), 0, 1).astype(np.float32)
    return ink, full


def _is_shade(ink: Grey) -> bool:
    """Whether what differs from the ground does so gradually, as the corners of a photo do."""
    longest = max(ink.shape)
    if longest < SMALLEST_SHADE:
        return False
    image = Image.fromarray((ink * 255).astype(np.uint8))
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(longest * SHADE)), np.float32) / 255
    return bool(np.abs(ink - blurred).max() < BLURRED)


def _ground(colours: Grey) -> Grey:
    """The ground's colour everywhere: a plane through the border's colours, for uneven light."""
    height, width, _ = colours.shape
    ring = max(1, min(height, width) // 25)
    border = np.ones((height, width), bool)
    border[ring:-ring, ring:-ring] = False
    seen = colours[border]
    near = np.abs(seen - np.median(seen, axis=0)).max(axis=1) < 64  # a stroke may cross the border
    if near.sum() >= 3:
        border[border] = near
    return plane(colours, border)


def _has_several_objects(ink: Grey) -> bool:
    """Whether two strokes of similar size stand beside or above each other with a gap between."""
    boxes = connected(ink > 0.5).boxes
    sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    longest = int(sides.max())
    left, upper, right, lower = boxes[sides >= SIMILAR * longest].T
    gaps = np.maximum(
        left[:, None] - right[None, :], upper[:, None] - lower[None, :]
    )  # of each box from each other one, negative where they overlap
    return bool(gaps.max() >= APART * longest)


def _box(ink: Grey) -> tuple[int, int, int, int] | None:
    """Left, upper, right and lower edge of the ink; None if there is none."""
    rows, columns = np.flatnonzero((ink > 0.5).any(axis=1)), np.flatnonzero((ink > 0.5).any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _surroundings(
    picture: Image.Image, box: tuple[int, int, int, int], scale: float
) -> Image.Image:
    """The part of the picture around a box that was found `scale` times smaller."""
    left, upper, right, lower = (scale * edge for edge in box)
    margin = max(right - left, lower - upper) * 0.25 + 2 * scale
    part = picture.crop(
        (
            max(0, int(left - margin)),
            max(0, int(upper - margin)),
            min(picture.width, int(right + margin)),
            min(picture.height, int(lower + margin)),
        )
    )
    part.thumbnail((SEARCH, SEARCH))
    return part


def _crop(ink: Grey) -> Grey | None:
    box = _box(ink)
    if box is None:
        return None
    left, upper, right, lower = box
    return ink[upper:lower, left:right]


def _scaled(grey: Grey, height: int, width: int) -> Grey:
    """Scaled, aspect kept, to fit into (height, width)."""
    factor = min(height / grey.shape[0], width / grey.shape[1])
    size = max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor))
    scaled = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(scaled, np.float32), 0, 1)


def _with_normal_strokes(grey: Grey) -> Grey:
    """Strokes far thinner or thicker than MNIST's, made wider or narrower."""
    ink = Image.fromarray((grey > 0.4).astype(np.uint8) * 255)
    inner = np.asarray(ink.filter(ImageFilter.MinFilter(3))) > 0
    area = float((np.asarray(ink) > 0).sum())
    edge = area - float(inner.sum())
    stroke = 2 * area / max(edge, 1.0) / FINE  # a stroke has two edges
    if THIN <= stroke <= THICK:
        return grey
    steps = min(max(round(abs(NORMAL - stroke) * FINE / 2), 1), MOST_STEPS)
    size = 2 * steps + 1
    kind = ImageFilter.MaxFilter if stroke < THIN else ImageFilter.MinFilter
    padded = ImageOps.expand(Image.fromarray((grey * 255).astype(np.uint8)), size)
    corrected = np.asarray(padded.filter(kind(size)), np.float32) / np.float32(255)
    found = _crop(corrected)
    return grey if found is None else found


def _centred(grey: Grey, height: int, width: int) -> NDArray[np.uint8]:
    """Put into (height, width) with the centre of mass in the middle, as far as it fits."""
    canvas = np.zeros((height, width), np.uint8)
    mass = max(float(grey.sum()), 1e-9)
    offsets = []
    for axis, side in ((1, height), (0, width)):
        length = grey.shape[1 - axis]
        centre = float((grey.sum(axis=axis) * np.arange(length)).sum()) / mass
        offsets.append(min(max(round(side / 2 - centre), 0), side - length))  # as MNIST has it
    top, left = offsets
    filled: Any = (grey * 255).round().astype(np.uint8)
    canvas[top : top + grey.shape[0], left : left + grey.shape[1]] = filled
    return canvas
