"""Connected components and filled holes are those that SciPy finds."""

import numpy as np
import pytest
from scipy import ndimage

from app.serving.components import connected, without_holes

SHAPES = [(1, 1), (1, 50), (50, 1), (7, 5), (40, 60), (120, 90)]
CORNERS = np.ones((3, 3))
"""Pixels that touch at a corner are connected."""


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 0.41, 0.5, 0.6, 0.9, 1.0])
def test_components_are_those_of_scipy(shape: tuple[int, int], density: float) -> None:
    mask = np.random.default_rng(0).random(shape) < density
    found = connected(mask)
    labels, count = ndimage.label(mask, CORNERS)
    assert len(found.areas) == len(found.boxes) == count
    np.testing.assert_array_equal(found.labels >= 0, mask)
    numbers = dict(zip(found.labels[mask].tolist(), (labels[mask] - 1).tolist(), strict=True))
    assert len(set(numbers.values())) == count
    boxes = ndimage.find_objects(labels)
    areas = np.bincount(labels[mask] - 1, minlength=count)
    for ours, theirs in numbers.items():
        rows, columns = boxes[theirs]
        expected = [columns.start, rows.start, columns.stop, rows.stop]
        assert found.boxes[ours].tolist() == expected
        assert found.areas[ours] == areas[theirs]


def test_holes_are_filled_and_what_is_open_to_the_border_is_not() -> None:
    ring = np.zeros((20, 20), bool)
    ring[3:17, 3:17] = True
    ring[6:14, 6:14] = False
    filled = np.zeros_like(ring)
    filled[3:17, 3:17] = True
    np.testing.assert_array_equal(without_holes(ring), filled)
    ring[8, :6] = False  # a way in
    np.testing.assert_array_equal(without_holes(ring), ring)
