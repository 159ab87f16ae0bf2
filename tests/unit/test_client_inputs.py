"""What the Python client makes of a DataFrame."""

import numpy as np
import pandas as pd
import pytest

from traind.errors import BadInput
from traind.inputs import parts


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
