"""Columns of dates: only real dates count."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.imports.rows import KEEP, column_of

IMPOSSIBLE = ["2024-02-30", "2024-13-01"] * 20


@pytest.mark.parametrize("values", [IMPOSSIBLE, [f"2024-13-{n:02}" for n in range(40)]])
def test_a_column_of_impossible_dates_alone_is_left_out(tmp_path: Path, values: list[Any]) -> None:
    assert column_of(values, tmp_path, **KEEP) == "none of its dates is one"


def test_a_column_of_many_impossible_dates_is_none_of_dates(tmp_path: Path) -> None:
    """Year, day, month: only days up to the 12th could be read as months, and wrongly."""
    few = column_of(["2024-25-03", "2024-05-03"] * 20, tmp_path, **KEEP)
    assert isinstance(few, dict)
    assert few["kind"] == "category"
    many = column_of(
        [f"20{n}-{day}-03" for n in range(10, 40) for day in (11, 25)], tmp_path, **KEEP
    )
    assert many == "60 of its 60 texts are different; declare it in table.columns to keep it"


@pytest.mark.parametrize("texts", [["20240131", "20240205"], ["2024-W05-3", "2024-W06-1"]])
def test_dates_of_a_declared_column_are_those_of_predictions(
    tmp_path: Path, texts: list[str]
) -> None:
    columns = {"x": "date", "number": "number"}
    found = column_of(texts * 20, tmp_path, table={"columns": columns})
    assert isinstance(found, dict)
    assert (found["kind"], found["odd"], found["missing"]) == ("date", 0, 0)
