"""Brings a picture of a digit to a model's input the way MNIST was made.

MNIST's digits were scaled, aspect kept and with anti-aliasing, to fit 20x20 pixels, and put into
28x28 by their centre of mass, bright on black (Y. LeCun, C. Cortes, C. Burges, "The MNIST database
of handwritten digits"). A photo or a drawing first needs its ground removed and its digit found.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

FINE = 80
"""Longest side, in pixels, at which the strokes' width is measured and corrected."""
SEARCH = 400
"""Longest side at which the digit is looked for."""
FAINTEST = 16.0
"""Least distance of ink from the ground, of 255; a picture with less is blank."""
THIN, THICK = 0.06, 0.2
"""Stroke widths to correct, as a share of the digit's longest side; MNIST's are 0.08 to 0.18."""
NORMAL = 0.11
MOST_STEPS = 6
"""Pixels, of FINE, by which a stroke's edge is moved at most: a blot stays a blot."""

Grey = NDArray[np.float32]
"""(height, width), 0 for the ground to 1 for ink."""


def like_mnist(
    image: Image.Image, height: int, width: int, fill: float = 20 / 28
) -> NDArray[np.uint8]:
    """The digit of a picture, (height, width), 0 to 255, bright on black; zeros if it is blank.

    `fill` is the share of each side that the digit fits into.
    """
    picture = _in_colour(image)
    small = picture.copy()
    small.thumbnail((SEARCH, SEARCH))
    box = _box(_ink(small))
    if box is None:
        return np.zeros((height, width), np.uint8)
    digit = _crop(_ink(_surroundings(picture, box, picture.width / small.width)))
    if digit is None:
        return np.zeros((height, width), np.uint8)
    fine = _with_normal_strokes(_scaled(digit, FINE, FINE))
    scaled = _scaled(fine, max(1, round(fill * height)), max(1, round(fill * width)))
    brightest = scaled.max()
    return _centred(scaled / brightest if brightest else scaled, height, width)


def has_light_ground(image: Image.Image) -> bool:
    """Whether the border of a picture is nearer to white than to black."""
    grey = np.asarray(_in_colour(image).convert("L"))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(border) > 127)


def _in_colour(image: Image.Image) -> Image.Image:
    """Upright RGB. What is transparent becomes the opposite of what is drawn on it."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # a PNG's greys may have 16 bits
        image = image.convert("F").point(lambda grey: grey / 257).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    grey, alpha = np.asarray(image.convert("L"), np.float64), np.asarray(image.getchannel("A"))
    drawn = (grey * alpha).sum() / max(1.0, float(alpha.sum()))
    ground = Image.new("RGBA", image.size, "black" if drawn > 127 else "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def _ink(picture: Image.Image) -> Grey:
    """How far each pixel's colour is from the ground's, from none (0) to that of full ink (1)."""
    colours = np.asarray(picture.filter(ImageFilter.MedianFilter(3)), np.float32)
    if min(picture.size) < 40:  # the filter would take thin strokes for specks
        colours = np.asarray(picture, np.float32)
    distance = np.linalg.norm(colours - _ground(colours), axis=2) / np.float32(np.sqrt(3))
    threshold = _otsu(distance)
    full = np.percentile(distance[distance >= threshold], 60)
    if full < FAINTEST:
        return np.zeros_like(distance)
    least = max(threshold * 0.5, FAINTEST / 2)
    ink: Grey = np.clip((distance - least) / max(full - least, 1.0), 0, 1).astype(np.float32)
    return ink


def _ground(colours: Grey) -> Grey:
    """The ground's colour everywhere: a plane through the border's colours, for uneven light."""
    height, width, _ = colours.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    where = np.stack([np.ones_like(x), x / width, y / height], axis=2)
    ring = max(1, min(height, width) // 25)
    border = np.ones((height, width), bool)
    border[ring:-ring, ring:-ring] = False
    points, seen = where[border], colours[border]
    near = np.abs(seen - np.median(seen, axis=0)).max(axis=1) < 64  # a stroke may cross the border
    if near.sum() < 3:
        near[:] = True
    plane, *_ = np.linalg.lstsq(points[near], seen[near], rcond=None)
    ground: Grey = (where @ plane).astype(np.float32)
    return ground


def _otsu(values: Grey) -> float:
    """The threshold that parts values best in two (N. Otsu, 1979, IEEE Trans. SMC 9(1))."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centres) / np.maximum(below, 1)
    mean_above = (np.cumsum((counts * centres)[::-1]) / np.maximum(above[::-1], 1))[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centres[between.argmax() + 1])


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
