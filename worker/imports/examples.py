"""What every kind of file is read as: examples, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
"""What an example is for."""
PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What folders and columns call the parts, in small letters."""


@dataclass(frozen=True)
class Example:
    """A picture and what is known of it."""

    name: str
    """What its owner calls it; only shown."""
    label: str
    """Name of its class."""
    content: bytes | NDArray[Any]
    """An image file, or pixels uint8 of shape (H, W) or (H, W, C)."""
    part: str | None = None
    """One of PARTS, where the file says it."""
    group: str | None = None
    """What must stay together in one part."""


@dataclass(frozen=True)
class LeftOut:
    """Something in the file that is no example."""

    name: str
    reason: str
    is_damaged: bool = True
    """Whether it should have been an example: too many of these refuse the file."""


class Source(Protocol):
    """An opened file."""

    format: str
    """What kind of file it is, for people."""
    total: int
    """How many entries it has, at most."""

    def __iter__(self) -> Iterator[Example | LeftOut]:
        """Every entry, each time in the same order; a few are in memory at once.

        Raises:
            Refusal: the file cannot be used.
        """
        ...
