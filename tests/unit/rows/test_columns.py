"""What becomes of a value: the same at import and at prediction."""

import math
from typing import Any

import pytest

from app.rows.columns import Column, InvalidValue, as_day, as_number, as_text, width

AGE = Column("age", "number", mean=40.0, std=10.0, low=18.0, high=80.0)
JOB = Column("job", "category", categories=("cook", "nurse", "smith"))
ODD = Column("job", "category", categories=("cook", "nurse"), has_rare=True, has_missing=True)
DAY = Column("when", "date", has_missing=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (5.0, "5"),
        (1e15, "1000000000000000"),
        ("", None),
        ("  ", None),
        ("?", None),
        ("NaN", None),
        ("N/A", None),
        (math.nan, None),
        (" nurse ", "nurse"),
        ("e\u0301", "\u00e9"),
        (3, "3"),
        (3.0, "3"),
        ("3.0", "3"),
        ("-3.00", "-3"),
        (3.5, "3.5"),
        (True, "true"),
        ("=1+1", "=1+1"),
    ],
)
def test_a_value_has_the_same_text_in_every_kind_of_file(value: Any, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("value", [[], {}, [1], {"a": 1}])
def test_lists_and_objects_are_no_values(value: Any) -> None:
    with pytest.raises(InvalidValue, match="no text, number or truth value"):
        as_text(value)


@pytest.mark.parametrize(
    ("text", "number"), [("41", 41), ("-1e3", -1000), ("true", 1), ("False", 0), ("3.4e38", 3.4e38)]
)
def test_numbers_are_read(text: str, number: float) -> None:
    assert as_number(text) == number


@pytest.mark.parametrize(
    "text", ["forty", "1,5", "inf", "-Infinity", "1e39", "0x10", "1 2", "1_000", "١٢"]
)
def test_what_is_no_number_of_float32_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="number"):
        as_number(text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-02", 1),
        ("1970-01-01 12:00:00", 0.5),
        ("1970-01-01T06:00Z", 0.25),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31", -1),
    ],
)
def test_dates_are_days_since_1970(text: str, day: float) -> None:
    assert as_day(text) == day


def test_what_is_no_date_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no date such as"):
        as_day("yesterday")


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (AGE, "41", 41),
        (AGE, 41.5, 41.5),
        (JOB, "nurse", 1),
        (JOB, None, -1),
        (JOB, "judge", -1),
        (ODD, "judge", 2),
        (ODD, None, 3),
        (DAY, "1970-01-11", 10),
    ],
)
def test_a_value_is_kept_as_one_number(column: Column, value: Any, code: float) -> None:
    assert column.code(value)[0] == code


def test_a_missing_number_is_none() -> None:
    assert math.isnan(AGE.code(None)[0])
    assert AGE.text(math.nan) is None


def test_a_category_that_was_not_trained_on_is_doubtful() -> None:
    _, doubt = JOB.code("judge")
    assert doubt == (
        "'judge' is no category that was trained on; these are 'cook', 'nurse', 'smith'"
    )
    assert JOB.code("nurse")[1] is None


def test_truth_is_the_same_in_capitals() -> None:
    smokes = Column("smokes", "category", categories=("false", "true"))
    assert [smokes.code(each)[0] for each in ("True", "FALSE", True, "true")] == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("column", "number", "text"),
    [
        (AGE, 41.0, "41"),
        (JOB, 2.0, "smith"),
        (JOB, -1.0, None),
        (ODD, 2.0, "(rare)"),
        (ODD, 3.0, None),
        (DAY, 0.0, "1970-01-01"),
        (DAY, 0.5, "1970-01-01 12:00"),
    ],
)
def test_a_kept_number_is_shown_as_what_it_was(
    column: Column, number: float, text: str | None
) -> None:
    assert column.text(number) == text


def test_a_column_takes_as_many_places_as_the_network_sees() -> None:
    assert [each.width for each in (AGE, DAY, JOB, ODD)] == [1, 2, 3, 4]
    assert width([AGE, DAY, JOB, ODD]) == 10


def test_columns_are_stored_and_read() -> None:
    for column in (AGE, DAY, JOB, ODD):
        assert Column.from_json(column.to_json()) == column
