"""The pictures of a run as numbers, for a program that draws them itself."""

from pydantic import BaseModel

from app.answers.described import DOCSTRINGS, described
from app.answers.diagnoses import Point
from app.codes import Picture


class Line(BaseModel):
    """A curve with its name."""

    model_config = DOCSTRINGS

    name: str
    """What it shows."""
    points: list[Point]
    """Pairs of x and y."""


class Mark(BaseModel):
    """A value of x that means something."""

    model_config = DOCSTRINGS

    at: float
    """The value of x."""
    word: str
    """What it means."""


class ChartData(BaseModel):
    """A picture of a run, as numbers."""

    model_config = described("examples.CHART")

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
