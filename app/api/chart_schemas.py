"""The pictures of a run as numbers, for a program that draws them itself."""

import math
from typing import Self

from pydantic import BaseModel, ConfigDict

from app.api.charts import Chart
from app.api.diagnosis_schemas import Point
from app.api.schemas import described
from app.codes import Picture

CHART = {
    "picture": "loss",
    "title": "The loss",
    "x_label": "step",
    "y_label": "loss (nats)",
    "log_x": False,
    "log_y": False,
    "lines": [{"name": "training", "points": [[100, 1.24], [200, 0.38]]}],
    "marks": [],
}


class Line(BaseModel):
    """A curve with its name."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """What it shows."""
    points: list[Point]
    """Pairs of x and y."""


class Mark(BaseModel):
    """A value of x that means something."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    at: float
    """The value of x."""
    word: str
    """What it means."""


class ChartData(BaseModel):
    """A picture of a run, as numbers."""

    model_config = described(CHART)

    picture: Picture
    """Which picture it is; a finding names the one that shows it."""
    title: str
    """What it shows."""
    x_label: str
    """What x is."""
    y_label: str
    """What y is, and its unit."""
    log_x: bool
    """Whether x is best drawn on a logarithmic scale."""
    log_y: bool
    """Whether y is."""
    lines: list[Line]
    """The curves, with at most some 300 points each."""
    marks: list[Mark]
    """Values of x to mark."""

    @classmethod
    def of(cls, picture: Picture, chart: Chart) -> Self:
        """A chart of the report."""
        return cls(
            picture=picture,
            title=chart.title,
            x_label=chart.x_label,
            y_label=chart.y_label,
            log_x=chart.log_x,
            log_y=chart.log_y,
            lines=[
                Line(name=name, points=[(x, _finite(y)) for x, y in points])
                for name, points in chart.shown
            ],
            marks=[Mark(at=at, word=word) for at, word in chart.marks],
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
