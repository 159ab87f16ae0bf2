"""Connected components of a mask, as SciPy's `ndimage.label` has them, without SciPy in the API."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""(height, width), true where something is."""


class Components(NamedTuple):
    """The components of a mask, numbered from 0; pixels that touch at a corner are connected."""

    labels: NDArray[np.int32]
    """(height, width): the number of the component of each pixel, -1 outside of the mask."""
    areas: NDArray[np.int64]
    """Pixels of each component."""
    boxes: NDArray[np.int64]
    """Left, upper, right and lower edge of each component, (components, 4)."""

    def mask(self, number: int) -> Mask:
        """Where one component is."""
        where: Mask = self.labels == number
        return where

    @property
    def on_border(self) -> NDArray[np.bool_]:
        """Which components touch the border of the mask."""
        height, width = self.labels.shape
        left, upper, right, lower = self.boxes.T
        touches: NDArray[np.bool_] = (
            (left == 0) | (upper == 0) | (right == width) | (lower == height)
        )
        return touches


def connected(mask: Mask) -> Components:
    """Labels a mask: rows are cut into runs, and runs that touch in neighbouring rows are joined.

    The joining is label propagation with pointer jumping, a few passes over all runs at once
    (Y. Shiloach, U. Vishkin, "An O(log n) parallel connectivity algorithm", 1982).
    """
    height, width = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    roots = _joined(rows, starts, ends, width)
    _, numbers = np.unique(roots, return_inverse=True)
    count = int(np.max(numbers)) + 1 if len(numbers) else 0
    areas = np.bincount(numbers, weights=ends - starts, minlength=count).astype(np.int64)
    boxes = np.tile(np.array([width, height, 0, 0], np.int64), (count, 1))
    np.minimum.at(boxes[:, 0], numbers, starts)
    np.minimum.at(boxes[:, 1], numbers, rows)
    np.maximum.at(boxes[:, 2], numbers, ends)
    np.maximum.at(boxes[:, 3], numbers, rows + 1)
    steps = np.zeros((height, width + 1), np.int32)
    steps[rows, starts] += numbers.astype(np.int32) + 1
    steps[rows, ends] -= numbers.astype(np.int32) + 1
    labels = steps[:, :-1].cumsum(axis=1, dtype=np.int32) - 1
    return Components(labels, areas, boxes)


def without_holes(mask: Mask) -> Mask:
    """The mask with everything that it encloses."""
    outside = connected(np.pad(~mask, 1, constant_values=True))
    filled: Mask = outside.labels[1:-1, 1:-1] != outside.labels[0, 0]
    return filled


def _joined(
    rows: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any], width: int
) -> NDArray[np.int64]:
    """For each run the first run of its component. Runs come row by row, from the left."""
    count = len(rows)
    roots = np.arange(count)
    stride = width + 2  # a run never reaches into the next row
    below = (rows + 1) * stride
    first = np.searchsorted(rows * stride + ends, below + starts, side="left")
    last = np.searchsorted(rows * stride + starts, below + ends, side="right")
    touching = np.maximum(last - first, 0)
    upper = np.repeat(roots, touching)
    offsets = np.arange(len(upper)) - np.repeat(touching.cumsum() - touching, touching)
    lower = np.repeat(first, touching) + offsets
    while True:
        one, other = roots[upper], roots[lower]
        if np.array_equal(one, other):
            return roots
        np.minimum.at(roots, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(roots, roots[roots]):
            roots = roots[roots]
