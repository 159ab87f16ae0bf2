"""Finds a light sheet of paper in a scan with a black frame, or in a photo of a dark table.

A sheet is the largest light region of a picture, if that has the form of a rectangle at any angle
and a sharp edge against something dark that reaches the picture's border. A bright digit on black,
an unevenly lit page and a digit that touches the border do not pass these tests.
"""

from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from app.serving.components import Mask, connected, without_holes

SEARCH = 200
"""Longest side, in pixels, at which the sheet is looked for."""
SMALLEST = 64
"""Shortest side of a picture with room for a frame; a thick digit in a smaller one looks alike."""
LEAST_AREA = 0.2
"""Least fraction of the picture that a sheet covers."""
LEAST_DARK_BORDER = 0.1
"""Least fraction of the picture's border that is dark: a frame may be along one side only."""
ENCLOSING = 0.5
"""The same where the sheet is empty: then no digit on it tells the dark parts from a digit."""
RECTANGULAR = 0.9
"""Least fraction of its smallest rectangle that a sheet fills; an ellipse fills 0.79."""
MOST_DRAWN = 0.25
"""Largest fraction of a sheet that is drawn on."""
LONGEST = 2.2
"""Largest ratio of a sheet's sides; a thick 1 is longer."""
SHARPEST = 40.0
"""Least step of brightness across the edge of a sheet, of 255."""
SHARP = 0.5
"""Least part of the difference between sheet and dark that lies at the edge itself."""
EDGE = 3
"""Width, in pixels of SEARCH, of the strips inside and outside of an edge that are compared."""
MARGIN = 4
"""Pixels of SEARCH that are cut off at the edge of a sheet, with its shadow and its blur."""
ANGLES = np.arange(0, pi / 2, pi / 60)
"""Turns of the rectangle that are tried, in radians."""

Grey = NDArray[np.float32]
"""(height, width), 0 to 255."""


def sheet_of(picture: Image.Image) -> Image.Image | None:
    """The sheet in an RGB picture, its surroundings painted over with the colour of the paper.

    None if there is no dark frame or table around a sheet.
    """
    if min(picture.size) < SMALLEST:
        return None
    small = picture.copy()
    small.thumbnail((SEARCH, SEARCH))
    small = small.filter(ImageFilter.MedianFilter(3))
    found = _light_rectangle(np.asarray(small.convert("L"), np.float32))
    if found is None:
        return None
    paper, inside = found
    ground = Image.fromarray(plane(np.asarray(small, np.float32), paper).clip(0, 255).astype("u1"))
    mask = Image.fromarray(inside).convert("L").resize(picture.size)
    box = mask.point(lambda value: 255 * (value > 127)).getbbox()
    painted = Image.composite(picture, ground.resize(picture.size), mask)
    return painted.crop(box)


def plane(colours: Grey, where: Mask) -> Grey:
    """The plane through the colours (H, W, 3) of some pixels, for uneven light; (H, W, 3)."""
    height, width, _ = colours.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    places = np.stack([np.ones_like(x), x / width, y / height], axis=2)
    fitted, *_ = np.linalg.lstsq(places[where], colours[where], rcond=None)
    everywhere: Grey = (places @ fitted).astype(np.float32)
    return everywhere


def otsu(values: Grey) -> float:
    """The threshold that parts values best in two (N. Otsu, 1979, IEEE Trans. SMC 9(1))."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centres) / np.maximum(below, 1)
    mean_above = (np.cumsum((counts * centres)[::-1]) / np.maximum(above[::-1], 1))[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centres[int(np.argmax(between)) + 1])


def _light_rectangle(grey: Grey) -> tuple[Mask, Mask] | None:
    """The paper of a sheet without what is drawn on it, and the inside of the sheet."""
    light = grey > otsu(grey)
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    dark_border = 1 - float(border.mean())
    if dark_border < LEAST_DARK_BORDER or light.mean() < LEAST_AREA:
        return None
    components = connected(light)
    paper = components.mask(int(np.argmax(components.areas)))
    sheet = without_holes(paper)
    area = int(sheet.sum())
    drawn = 1 - float(light[sheet].mean())  # the inside of a 0 is light as well
    if (
        area < LEAST_AREA * grey.size
        or drawn > MOST_DRAWN
        or (drawn < 1 / SEARCH and dark_border < ENCLOSING)
        or not _is_rectangular(sheet)
        or not _has_sharp_edge(grey, paper, sheet)
    ):
        return None
    inside = _shrunk(sheet, MARGIN)
    return (paper & inside, inside) if inside.any() else None


def _is_rectangular(sheet: Mask) -> bool:
    """Whether a region fills its smallest rectangle at any angle, which is not too long."""
    padded = np.pad(sheet, 1)  # where the picture ends, the sheet does
    y, x = np.nonzero(padded & ~_shrunk(padded, 1))
    across = np.outer(np.cos(ANGLES), x) + np.outer(np.sin(ANGLES), y)
    along = np.outer(np.cos(ANGLES), y) - np.outer(np.sin(ANGLES), x)
    widths, heights = np.ptp(across, axis=1) + 1, np.ptp(along, axis=1) + 1
    best = int(np.argmin(widths * heights))
    width, height = float(widths[best]), float(heights[best])
    is_long = max(width, height) > LONGEST * min(width, height)
    return not is_long and float(sheet.sum()) >= RECTANGULAR * width * height


def _has_sharp_edge(grey: Grey, paper: Mask, sheet: Mask) -> bool:
    """Whether brightness falls at the edge of the sheet, and not gradually as light does."""
    outside = ~sheet
    inner = paper & ~_shrunk(sheet, EDGE + 1) & _shrunk(sheet, 1)
    outer = outside & ~_shrunk(outside, EDGE + 1) & _shrunk(outside, 1)
    if not (inner.any() and outer.any()):
        return False
    step = float(np.mean(grey[inner]) - np.mean(grey[outer]))
    whole = float(np.mean(grey[paper]) - np.mean(grey[outside]))
    return step >= SHARPEST and step >= SHARP * whole


def _shrunk(mask: Mask, pixels: int) -> Mask:
    """The mask without an edge of `pixels`; the picture's own border is no edge."""
    image = Image.fromarray(np.pad(mask, pixels, mode="edge").astype(np.uint8) * 255)
    kept: Any = np.asarray(image.filter(ImageFilter.MinFilter(2 * pixels + 1)))
    inside: Mask = kept[pixels:-pixels, pixels:-pixels] > 127
    return inside
