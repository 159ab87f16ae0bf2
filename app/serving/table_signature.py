"""What a model of a table takes and gives: rows by column name in, probabilities out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.rows import columns
from app.rows.columns import Column
from app.serving.signature import Signature


@dataclass(frozen=True)
class TableSignature:
    """The columns that a model of a table looks at, the one that it predicts, and its classes."""

    columns: list[Column]
    target: str
    classes: list[str]
    dataset: str = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], dataset: str = "") -> Self:
        """The signature as a model's row keeps it, and the dataset that it was trained on."""
        read = [Column.from_json(each) for each in stored["columns"]]
        return cls(read, stored["target"], list(stored["classes"]), dataset)

    @property
    def input_shape(self) -> tuple[int]:
        """One number for each column."""
        return (len(self.columns),)

    @cached_property
    def width(self) -> int:
        """How many numbers the network sees of a row: one for each category of a column, too."""
        return columns.width(self.columns)

    @cached_property
    def arranged(self) -> list[Column]:
        """The columns as a batch has them: numbers and dates, and behind them categories.

        So two models with the same graph have the same batches, whatever the columns' order.
        """
        return sorted(self.columns, key=lambda column: column.is_category)

    @cached_property
    def numbers(self) -> int:
        """How many of the columns are numbers or dates."""
        return sum(not column.is_category for column in self.columns)

    def feed(self, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The graph's inputs for rows (n, columns) in the order of `arranged`."""
        parts: dict[str, NDArray[Any]] = {
            "numbers": rows[:, : self.numbers].astype(np.float32, copy=False),
            "categories": rows[:, self.numbers :].astype(np.int64),
        }
        return {name: part for name, part in parts.items() if part.shape[1]}


def signature_from_json(stored: dict[str, Any], dataset: str = "") -> Signature | TableSignature:
    """The signature of a model of pictures or of a table, as the model's row keeps it."""
    kind = TableSignature if "columns" in stored else Signature
    return kind.from_json(stored, dataset)
