"""The scale of a table's numbers, from its training rows."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.rows.columns import Column, Kind


def numeric(name: str, kind: Kind, values: NDArray[np.float64]) -> Column:
    """A column of numbers or dates; `values` (N,) are those of the training rows, NaN if missing.

    They are measured as float32, in which they are kept.
    """
    known = values[np.isfinite(values)].astype(np.float32).astype(np.float64)
    column = Column(name, kind, has_missing=len(known) < len(values))
    if not len(known):
        return column
    mean, std = float(known.mean()), float(known.std()) or 1.0
    return replace(column, mean=mean, std=std, low=float(known.min()), high=float(known.max()))
