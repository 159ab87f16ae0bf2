"""What training rows say of each column: scales of numbers, and the categories that count."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.rows.columns import Column, InvalidValue, as_day
from worker import column_statistics
from worker.imports.rows.choosing import Picked
from worker.imports.rows.coding import Coded, Numbers

MAX_CATEGORIES = 100
"""Most categories of a column that have a place of their own."""
FEW = 20
"""In a column with at most this many categories, each has one."""
RARE = 3
"""In other columns a category with fewer training rows shares the place of the rare ones."""


class Measured(NamedTuple):
    """A column, and what becomes of the numbers by which its values are kept."""

    column: Column
    places: NDArray[np.float64] | None
    """For each number, which is a place in the dictionary, the one that trains; None if they train
    as they are."""
    missing: float
    """What stands for a missing value."""

    def trained(self, values: Numbers) -> Numbers:
        """The numbers that train, (N,)."""
        if self.places is None:
            return values
        known = np.isfinite(values)
        codes = np.where(known, values, 0).astype(np.int64)
        return np.where(known, self.places[codes], self.missing)


def measure(picked: Picked, at: int, coded: Coded, training: list[int]) -> Measured:
    """A column, the `at`-th of those that were coded, by its training rows."""
    values = np.asarray(coded.values[:, at][training])
    texts = coded.dictionaries[at]
    if picked.kind == "category":
        return _categories(picked.name, texts, values)
    places = None
    if picked.kind == "date":
        places = np.array([_day(text) for text in texts])
        values = Measured(Column(picked.name, "date"), places, np.nan).trained(values)
    column = column_statistics.numeric(picked.name, picked.kind, values)
    return Measured(column, places, np.nan)


def _categories(name: str, texts: list[str], values: Numbers) -> Measured:
    known = values[np.isfinite(values)].astype(np.int64)
    counts = np.bincount(known, minlength=len(texts))
    seen = int((counts > 0).sum())
    least = 1 if seen <= FEW else RARE
    frequent = sorted(range(len(texts)), key=lambda code: (-counts[code], code))[:MAX_CATEGORIES]
    kept = sorted(code for code in frequent if counts[code] >= least)
    column = Column(
        name,
        "category",
        has_missing=len(known) < len(values),
        categories=tuple(texts[code] for code in kept),
        has_rare=len(kept) < seen,
    )
    places = np.full(max(1, len(texts)), len(kept) if column.has_rare else -1.0)
    places[kept] = np.arange(len(kept))
    return Measured(column, places, column.code(None)[0])


def _day(text: str) -> float:
    try:
        return as_day(text)
    except InvalidValue:
        return np.nan
