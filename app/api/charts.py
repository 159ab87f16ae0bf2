"""Curves as pictures: SVG that stands alone, runs nothing, and is readable in grey.

The lightest library that was found, pygal, puts a script into every picture, which makes it ten
times as large.
"""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markupsafe import Markup

from app.api.pages import render

Value = float | None
"""A value of a curve; None, or a number that is not finite, leaves a gap."""

MOST_POINTS = 300
"""A longer curve is drawn by the least and the greatest value of each of its parts."""
MOST_CURVES = 8
"""Of more curves, the first, the last and some between them are drawn."""
HUGE = 1e100
"""Values of at least this size leave gaps, too."""
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 640, 72, 624, 32, 240
"""The picture's width, and where the axes are, in SVG's units."""
STROKES = [
    ("#000000", ""),
    ("#d55e00", "9 4"),
    ("#0072b2", "2 4"),
    ("#009e73", "9 4 2 4"),
    ("#cc79a7", "16 4"),
    ("#8a6d00", "5 5"),
    ("#56b4e9", "1 7"),
    ("#777777", "16 4 2 4 2 4"),
]
"""Colour (Okabe and Ito's, for every kind of sight) and dashes of each curve."""


class Curve(NamedTuple):
    """A line with its name in the legend."""

    name: str
    points: Sequence[tuple[float, Value]]


@dataclass(frozen=True)
class Chart:
    """Curves over common axes. `marks` are values of x with a word each."""

    title: str
    x_label: str
    y_label: str
    curves: list[Curve]
    log_x: bool = False
    log_y: bool = False
    marks: list[tuple[float, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no curve has a value that can be drawn."""
        return not any(_drawable(self, curve) for curve in self.curves)

    @property
    def shown(self) -> list[Curve]:
        """The curves that are drawn, each with at most some `MOST_POINTS` points."""
        return [Curve(each.name, _thinned(each.points)) for each in _some(self.curves)]

    def svg(self) -> Markup:
        """The picture as an SVG element."""
        shown = self.shown
        values = [point for curve in shown for point in _drawable(self, curve)]
        x = _Scale([at for at, _ in values], LEFT, RIGHT, self.log_x)
        y = _Scale([value for _, value in values], BOTTOM, TOP, self.log_y)
        lines = [
            {"name": curve.name, "path": _path(curve.points, x, y), "colour": colour, "dash": dash}
            for curve, (colour, dash) in zip(shown, STROKES, strict=False)
        ]
        marks = [(place, word) for at, word in self.marks if (place := x.place(at)) is not None]
        axes = {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM, "width": WIDTH}
        ticks = {"x_ticks": x.ticks, "y_ticks": y.ticks}
        return render("chart.svg", chart=self, lines=lines, marks=marks, **ticks, **axes)

    def data_uri(self) -> Markup:
        """The picture as an address that holds it."""
        encoded = base64.b64encode(self.svg().encode()).decode()
        return Markup(f"data:image/svg+xml;base64,{encoded}")  # noqa: S704


class _Scale:
    """From values to places between two ends of an axis, with a few round ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool) -> None:
        self._start, self._end, self._log = start, end, log
        numbers = [self._number(value) for value in values] or [0.0]
        low, high = min(numbers), max(numbers)
        if log:
            step = float(max(1, math.ceil((high - low) / 6)))
        else:
            if math.isclose(low, high, rel_tol=1e-12):  # else no tick fits between them
                high = low + (abs(low) or 1.0)
            step = _round_step((high - low) / 5)
        first, last = math.floor(low / step), math.ceil(high / step)
        last += first == last
        self._low, self._high = first * step, last * step
        at = [number * step for number in range(first, last + 1)]
        self.ticks = [(self._on(each), f"{10.0**each if log else each:g}") for each in at]

    def place(self, value: Value) -> float | None:
        """Where the value is on the axis; None where it cannot be drawn."""
        if value is None or not _is_drawable(value, self._log):
            return None
        place = self._on(self._number(value))
        low, high = sorted((self._start, self._end))
        return place if low <= place <= high else None

    def _number(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def _on(self, number: float) -> float:
        fraction = (number - self._low) / (self._high - self._low)
        return round(self._start + fraction * (self._end - self._start), 1)


def _is_drawable(value: Value, log: bool) -> bool:
    return value is not None and abs(value) < HUGE and (value > 1 / HUGE or not log)


def _drawable(chart: Chart, curve: Curve) -> list[tuple[float, float]]:
    """The curve's points that can be drawn."""
    return [
        (at, value)
        for at, value in curve.points
        if value is not None and _is_drawable(at, chart.log_x) and _is_drawable(value, chart.log_y)
    ]


def _round_step(step: float) -> float:
    """The least of 1, 2, 5, 10, 20, ... that is as large."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= step)


def _some(curves: list[Curve]) -> list[Curve]:
    if len(curves) <= MOST_CURVES:
        return curves
    last = len(curves) - 1
    return [curves[round(number * last / (MOST_CURVES - 1))] for number in range(MOST_CURVES)]


def _thinned(points: Sequence[tuple[float, Value]]) -> list[tuple[float, Value]]:
    """The points; of many, the least and the greatest of each part, and its first gap."""
    if len(points) <= MOST_POINTS:
        return list(points)
    kept: set[int] = {0, len(points) - 1}
    stretches = MOST_POINTS // 3
    for number in range(stretches):
        start, end = (len(points) * each // stretches for each in (number, number + 1))
        values = [(each, at) for at in range(start, end) if (each := points[at][1]) is not None]
        gaps = [at for at in range(start, end) if points[at][1] is None]
        kept |= {at for _, at in (min(values), max(values))} if values else set()
        kept |= set(gaps[:1])
    return [points[at] for at in sorted(kept)]


def _path(points: Sequence[tuple[float, Value]], x: _Scale, y: _Scale) -> str:
    """The line as SVG draws it; a point between two gaps is a dot."""
    path, pen_is_down = [], False
    for at, value in points:
        places = x.place(at), y.place(value)
        if None in places:
            pen_is_down = False
            continue
        path.append(f"{'L' if pen_is_down else 'M'}{places[0]} {places[1]}")
        path += [] if pen_is_down else ["h0"]
        pen_is_down = True
    return "".join(path)
