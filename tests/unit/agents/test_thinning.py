"""Curves as few points: the ends and the peaks stay."""

import math

import pytest

from app.mcp.thinning import thinned

CURVE = [(float(step), math.exp(-step / 300)) for step in range(1000)]


@pytest.mark.parametrize("count", [2, 3, 20, 200, 999])
def test_as_many_points_are_kept_as_asked_for_in_their_order(count: int) -> None:
    kept = thinned(CURVE, count)
    assert len(kept) == count
    assert (kept[0], kept[-1]) == (CURVE[0], CURVE[-1])
    assert kept == sorted(set(kept))
    assert set(kept) <= set(CURVE)


@pytest.mark.parametrize("length", [0, 1, 2, 20])
def test_a_short_curve_stays_as_it_is(length: int) -> None:
    assert thinned(CURVE[:length], 20) == CURVE[:length]


@pytest.mark.parametrize("step", [1, 7, 500, 998])
def test_a_peak_is_kept_wherever_it_is(step: int) -> None:
    peaked = [*CURVE]
    peaked[step] = (float(step), 50.0)
    assert peaked[step] in thinned(peaked, 10)
