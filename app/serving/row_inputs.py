"""Rows of values by column name, as a model of a table takes them, and the doubts about them."""

from collections.abc import Iterable, Mapping, Sequence, Set
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.images import InvalidInput
from app.rows.columns import Column, InvalidValue, Kind
from app.rows.delimited import column_name
from app.serving.input_warnings import InputWarning
from app.serving.table_signature import TableSignature

EXPECTED: dict[Kind, str] = {
    "number": "a number, or a text that says one",
    "date": "a date in ISO 8601, such as 2026-11-26",
    "category": "a text, a number or a truth value",
}
MOST_NAMED = 10
"""Most columns that a sentence names; a table may have thousands."""
LONGEST_NAME = 80
"""Letters of a column's name that a sentence shows."""


class RowInputs(NamedTuple):
    """Rows (n, columns) in the signature's arranged order, and the warnings by the row's index."""

    rows: NDArray[np.float32]
    warnings: dict[int, list[InputWarning]]


def from_rows(given: Sequence[Mapping[str, object]], signature: TableSignature) -> RowInputs:
    """The model's input for each of several rows.

    Raises:
        InvalidInput: with the index of the row that has a value which its column cannot take.
    """
    rows = np.empty((len(given), *signature.input_shape), np.float32)
    warnings: dict[int, list[InputWarning]] = {}
    names = {column.name for column in signature.columns} | {signature.target}
    for index, row in enumerate(given):
        try:
            rows[index], found = _from_row(_by_name(row, names), signature)
        except InvalidInput as error:
            raise InvalidInput(error.message, index) from error
        if found:
            warnings[index] = found
    return RowInputs(rows, warnings)


def named(names: Iterable[str]) -> str:
    """The names for a sentence: the first few, each cut where it is long."""
    every = list(names)
    shown = [repr(name[:LONGEST_NAME]) for name in every[:MOST_NAMED]]
    more = len(every) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _by_name(row: Mapping[str, object], names: Set[str]) -> Mapping[str, object]:
    """The row with its columns named as an import names them, unless they already are."""
    if row.keys() <= names:
        return row
    found = {name: value for name, value in row.items() if name in names}
    for name, value in row.items():
        found.setdefault(column_name(name), value)
    return found


def _from_row(
    row: Mapping[str, object], signature: TableSignature
) -> tuple[list[float], list[InputWarning]]:
    codes: list[float] = []
    missing: list[str] = []
    warnings: list[InputWarning] = []
    for column in signature.arranged:
        code, doubt = _code(row.get(column.name), column)
        codes.append(code)
        if doubt is not None:
            told = f"{named([column.name])}: {doubt}"
            warnings.append(InputWarning("unknown_category", told))
        elif not column.has_missing and (code < 0 if column.is_category else isnan(code)):
            missing.append(column.name)
    if missing:
        warnings.append(InputWarning("missing_value", _about_missing(missing)))
    return codes, warnings + _about_extra(row, signature)


def _code(value: object, column: Column) -> tuple[float, str | None]:
    """The number that is kept of a value, and what is doubtful about it."""
    try:
        return column.code(value)
    except InvalidValue as error:
        where, expected = named([column.name]), EXPECTED[column.kind]
        raise InvalidInput(f"{where}: {error}; expected {expected}") from error


def _about_missing(names: list[str]) -> str:
    return (
        f"no value of {named(names)}, which no row lacked in training: "
        "the prediction may mean little"
    )


def _about_extra(row: Mapping[str, object], signature: TableSignature) -> list[InputWarning]:
    """Warnings about columns of the row that the model does not look at."""
    names = {column.name for column in signature.columns}
    extra = [name for name in row if name not in names and name != signature.target]
    warnings = []
    if extra:
        told = f"the model was not trained on {named(extra)}, and does not look at it"
        warnings.append(InputWarning("extra_column", told))
    if signature.target in row and signature.target not in names:
        told = f"{named([signature.target])} is what the model predicts: it is not looked at"
        warnings.append(InputWarning("extra_column", told))
    return warnings
