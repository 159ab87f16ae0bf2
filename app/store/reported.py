"""What a run has reported since its worker wrote last."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.store.events import NewEvent
from app.store.metrics import Point


class NewCheckpoint(NamedTuple):
    """A checkpoint to be kept."""

    step: int
    content: bytes


@dataclass
class Reported:
    """Reports of one run, gathered into one write. What is None or empty stays as it is."""

    progress: dict[str, Any] | None = None
    """Where the run is; the first of an attempt says that its first step is done."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The newest value of each metric that was measured."""
    events: list[NewEvent] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    """What the curves gain."""
    checkpoint: NewCheckpoint | None = None
    diagnosis: dict[str, Any] | None = None
    """The whole diagnosis; it replaces the one before."""
