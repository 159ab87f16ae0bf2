"""Columns that give the answer away: alone they tell the class nearly without a mistake.

Mostly such a column is known only once the answer is, as the date on which a contract ended
(Kaufman et al., "Leakage in Data Mining", 2012). It is looked for as a person would: half of the
training rows predict the other half by the nearest value of the column, and the other way round.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.imports.rows.coding import Numbers

ROWS = 20_000
"""Most training rows that are looked at, at equal distances."""
FEWEST = 50
"""With fewer training rows a column may tell the classes by chance."""
REVEALING = 0.99
"""Least accuracy of a column that gives the answer away."""
LEFT = 0.1
"""Greatest ratio of its mistakes to those of always naming the most frequent class."""


def reveals(values: Numbers, labels: Sequence[str]) -> bool:
    """Whether a column's values (N,), NaN where they are missing, tell the class of a row."""
    if len(labels) < FEWEST:
        return False
    step = max(1, -(-len(labels) // ROWS))
    names, truth = np.unique(np.asarray(labels[::step]), return_inverse=True)
    kept = np.nan_to_num(values[::step], nan=np.inf)  # missing is a value like any other
    order = np.random.default_rng(0).permutation(len(kept))
    halves = order[::2], order[1::2]
    right = sum(
        int((_nearest(kept[one], truth[one], kept[other], len(names)) == truth[other]).sum())
        for one, other in (halves, halves[::-1])
    )
    accuracy = right / len(kept)
    most = np.bincount(truth).max() / len(truth)
    return accuracy >= REVEALING and 1 - accuracy <= LEFT * (1 - most)


def _nearest(
    known: Numbers, truth: NDArray[np.int64], asked: Numbers, classes: int
) -> NDArray[np.int64]:
    """For each asked value the most frequent class at the known value that is nearest to it."""
    different, places = np.unique(known, return_inverse=True)
    counts = np.zeros((len(different), classes), np.int64)
    np.add.at(counts, (places, truth), 1)
    frequent = counts.argmax(1)
    above = np.searchsorted(different, asked).clip(0, len(different) - 1)
    below = (above - 1).clip(0)
    with np.errstate(invalid="ignore"):  # infinity less infinity, where both are missing
        is_below = np.abs(asked - different[below]) < np.abs(different[above] - asked)
    found: NDArray[np.int64] = frequent[np.where(is_below, below, above)]
    return found
