"""What the Python client makes of arrays, rows and DataFrames."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from app.jobspec.import_options import TableOptions
from traind.errors import BadInput
from traind.inputs import parts
from worker.imports.rows import files


def test_numbers_of_a_dataframe_are_sent_as_they_are_shown() -> None:
    """0.2 in float32 is 0.20000000298 in float64, and no category that an import has seen."""
    frame = pd.DataFrame(
        {
            "narrow": np.array([0.2, np.nan], np.float32),
            "half": np.array([0.1, np.inf], np.float16),
            "nullable": pd.array([0.3, None], dtype="Float32"),
            "wide": [0.1 + 0.2, 1e-300],
            "whole": [2**62 + 1, -1],
            "missing": pd.array([1, None], dtype="Int64"),
            "truth": [True, False],
            "kind": pd.Categorical(["a", None]),
            "day": pd.to_datetime(["2024-01-01", None]),
        }
    )
    ((first, second),) = parts(frame, (9,))
    assert first == {
        "narrow": 0.2,
        "half": 0.1,
        "nullable": 0.3,
        "wide": 0.1 + 0.2,
        "whole": 2**62 + 1,
        "missing": 1,
        "truth": True,
        "kind": "a",
        "day": "2024-01-01T00:00:00",
    }
    assert second == dict.fromkeys(first) | {"wide": 1e-300, "whole": -1, "truth": False}


def test_a_row_of_numpy_numbers_is_sent_as_it_is_shown() -> None:
    assert list(parts({"x": np.float32(0.2)}, (1,))) == [[{"x": 0.2}]]


def test_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(BadInput, match="need different names"):
        list(parts(frame, (2,)))


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s"])
def test_a_duration_is_refused_with_the_number_that_an_import_of_parquet_takes(
    unit: str, tmp_path: Path
) -> None:
    """The unit of what is at hand says nothing of that of the training data."""
    lasted = pd.to_timedelta([90, None, -1], unit="s").as_unit(unit)
    frame = pd.DataFrame({"lasted": lasted, "n": [1, 2, 3]})
    frame.to_parquet(tmp_path / "frame.parquet")
    table = files.read(tmp_path / "frame.parquet", TableOptions(), tmp_path, None)
    imported = [text for text, _ in table.connection.execute("FROM texts").fetchall()]
    table.connection.close()
    for given in (frame, {"lasted": lasted[0].to_numpy()}, {"lasted": lasted[0]}):
        with pytest.raises(BadInput, match=r"^'lasted' is a duration, .* / np.timedelta64"):
            list(parts(given, (2,)))
    divided = frame.assign(lasted=frame["lasted"].dt.as_unit("ns") / np.timedelta64(1, unit))
    [sent] = parts(divided, (2,))
    assert [row["lasted"] for row in sent] == [text and float(text) for text in imported]


@pytest.mark.parametrize(
    "lasted", [timedelta(seconds=90), np.timedelta64(90, "m"), np.timedelta64(3, "Y")]
)
def test_a_duration_without_a_unit_of_parquet_is_refused(lasted: Any) -> None:
    with pytest.raises(BadInput, match=r"^'lasted' is a duration, (0:01:30|90 minutes|3 years)\."):
        list(parts({"lasted": lasted}, (1,)))


@pytest.mark.parametrize("missing", [np.timedelta64("NaT"), np.timedelta64("NaT", "s"), pd.NaT])
def test_a_duration_that_is_missing_is_sent_as_that(missing: Any) -> None:
    frame = pd.DataFrame({"lasted": pd.to_timedelta([missing])})
    assert (
        list(parts({"lasted": missing}, (1,))) == list(parts(frame, (1,))) == [[{"lasted": None}]]
    )


@pytest.mark.parametrize(
    "day",
    [
        np.datetime64("12024-01-01"),
        np.datetime64("0000-12-31T23", "h"),
        np.datetime64(10**17, "s"),  # in microseconds it would be a day of the year 8319
        np.datetime64(2**62, "Y"),
        pd.Timestamp(np.datetime64("12024-01-01", "s")),
        pd.Timestamp(np.datetime64("-0005-01-01", "s")),
    ],
)
def test_a_date_of_another_year_than_iso_8601_has_is_refused(day: Any) -> None:
    for given in ({"day": day}, pd.DataFrame({"day": pd.Series([day], dtype=object)})):
        with pytest.raises(BadInput, match=r"^'day' is .*: dates are taken from the year 1 to"):
            list(parts(given, (1,)))


@pytest.mark.parametrize(
    ("moment", "unit", "text"),
    [
        ("2024-01-02", "ns", "2024-01-02T00:00:00"),
        ("2024-01-02T03:04:05.123456789", "ns", "2024-01-02T03:04:05.123456"),
        ("2024-01-02", "s", "2024-01-02T00:00:00"),
        ("2024-01-02", "D", "2024-01-02"),
        ("NaT", "ns", None),
        ("NaT", "Y", None),
        ("9999-12-31", "D", "9999-12-31"),
        ("0001-01-01", "ms", "0001-01-01T00:00:00"),
    ],
)
def test_a_date_of_numpy_is_sent_as_iso_8601(moment: str, unit: str, text: str | None) -> None:
    assert list(parts({"day": np.datetime64(moment, unit)}, (1,))) == [[{"day": text}]]


def test_a_tensor_is_sent_whatever_it_knows() -> None:
    pixels = torch.full((1, 2, 2), 0.5)
    expected = [[pixels.tolist()]]
    assert list(parts(pixels.clone().requires_grad_(), (1, 2, 2))) == expected
    assert list(parts({"x": torch.tensor(0.2, requires_grad=True)}, (1,))) == [[{"x": 0.2}]]
    with pytest.raises(BadInput, match=r"BFloat16"):
        list(parts(pixels.bfloat16(), (1, 2, 2)))
    with pytest.raises(BadInput, match=r"BFloat16"):
        list(parts({"x": torch.tensor(0.2).bfloat16()}, (1,)))
