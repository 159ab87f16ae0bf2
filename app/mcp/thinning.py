"""Long curves as few points that still show their shape."""

from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]


def thinned(points: Sequence[Point], count: int) -> list[Point]:
    """At most `count` of the points, at least 2: the first, the last, and what stands out between.

    Largest-Triangle-Three-Buckets (Steinarsson 2013): the points between are cut into buckets, and
    each keeps the point that spans the largest triangle with the one kept before and the mean of
    the next bucket. Peaks stay, which every n-th point would miss.
    """
    if len(points) <= count:
        return list(points)
    if count == 2:
        return [points[0], points[-1]]
    inner = count - 2
    ends = [1 + (len(points) - 2) * index // inner for index in range(inner + 1)]
    kept = [points[0]]
    for (start, end), following in zip(
        pairwise(ends), [*pairwise(ends[1:]), (len(points) - 1, len(points))], strict=True
    ):
        after = _mean(points[following[0] : following[1]])
        before = kept[-1]
        kept.append(max(points[start:end], key=lambda point: _area(before, point, after)))
    return [*kept, points[-1]]


def _mean(points: Sequence[Point]) -> Point:
    return (
        sum(step for step, _ in points) / len(points),
        sum(value for _, value in points) / len(points),
    )


def _area(a: Point, b: Point, c: Point) -> float:
    """Twice the area of the triangle."""
    return abs((a[0] - c[0]) * (b[1] - a[1]) - (a[0] - b[0]) * (c[1] - a[1]))
