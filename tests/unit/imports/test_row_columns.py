"""Columns of tables: what they are taken for, and what is left out."""

import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris

from app.rows.columns import InvalidValue, as_number
from tests.unit.imports.rows import KEEP, Table, as_csv, column_of, described, imported
from worker.imports.rows.choosing import SPACE
from worker.imports.rows.profiles import number


@pytest.mark.parametrize(
    ("values", "is_kind"),
    [
        ([1.5, 2, 3, 4] * 10, "number"),
        ([7, 7, 8, 9] * 10, "number"),
        ([0.1 * n for n in range(40)], "number"),
        (["1e3", "-2", " 3 ", "+4"] * 10, "number"),
        ([*range(2, 80, 2), "about 7"], "number"),
        (["2020-01-02", "2021-01-02"] * 20, "date"),
        ([f"2020-01-02T{n % 24:02}:00:00" for n in range(40)], "date"),
        (["true", "False"] * 20, "category"),
        (["a", "b", "c", "d"] * 10, "category"),
        (["1-2", "2-3"] * 20, "category"),
        ([*["a", "b"] * 15, *range(10)], "category"),
    ],
    ids=str,
)
def test_a_column_is_what_nearly_all_of_its_values_are(
    tmp_path: Path, values: list[Any], is_kind: str
) -> None:
    found = column_of(values, tmp_path, **KEEP)
    assert isinstance(found, dict), found
    assert found["kind"] == is_kind


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([5] * 40, "one value only"),
        (["", "NA", "?", "null"] * 10, "no value"),
        (list(range(100, 140)), "numbers the rows"),
        ([f"text {n}" for n in range(40)], "40 of its 40 texts are different"),
    ],
)
def test_a_column_that_says_nothing_about_other_rows_is_left_out(
    tmp_path: Path, values: list[Any], reason: str
) -> None:
    found = column_of(values, tmp_path, **KEEP)
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize(
    ("values", "odd"),
    [
        ([*range(0, 60, 2), *["inf", "-Infinity"] * 5], 10),
        ([1.5, 2.5, 1e300, 2e300] * 10, 20),
        ([*["2024-01-31", "2024-01-05"] * 30, "2024-02-30", "2024-01-02T25:00:00", "soon"], 3),
        (["2024-01-31", "2024-02-29"] * 10, 0),
        ([*[1.5, 2.5] * 20, "about 7"], 1),
    ],
    ids=["infinite", "too large", "impossible dates", "dates", "a text"],
)
def test_values_that_a_column_cannot_take_are_counted_and_told(
    tmp_path: Path, values: list[Any], odd: int
) -> None:
    """Also those that look as if it could."""
    rows = [[value, n % 7, "ab"[n % 2]] for n, value in enumerate(values)]
    done = imported(as_csv(tmp_path / "a.csv", Table(["x", "z", "y"], rows)), tmp_path / "ds")
    (found,) = [each for each in done.report["columns"] if each["name"] == "x"]
    assert found["odd"] == odd
    told = [each for each in done.report["warnings"] if each.startswith(f"In x {odd} values are")]
    assert len(told) == bool(odd)


def test_a_column_of_infinite_numbers_alone_is_left_out(tmp_path: Path) -> None:
    reason = column_of(["inf", "-inf", "1e999", "1e400"] * 10, tmp_path, **KEEP)
    assert reason == "none of its numbers is one that float32 holds"


def test_space_around_a_category_is_what_python_strips(tmp_path: Path) -> None:
    """Every white space of Unicode: an import would make categories that no prediction can ask
    for."""
    spaces = list(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))
    assert list(SPACE) == spaces
    inner = [each for each in spaces if each not in "\r\n"]
    values = [
        f"{inner[n % len(inner)]}{'red' if n % 2 else 'blue'}{inner[-n % len(inner)]}"
        for n in range(60)
    ]
    found = column_of(values, tmp_path, **KEEP)
    assert isinstance(found, dict)
    assert [each["name"] for each in found["categories"]] == ["blue", "red"]


NUMBERS = ["1e5", "+3", "-.5", "5.", "3.4e38", "-0", "00012", "1e-400", "TRUE"]
OTHERS = ["0x1A", "inf", "nan", "1d", "1,5", "1 0", "--1", "1e", "1_000", "١٢", "½", "1'000", "t"]


@pytest.mark.parametrize("text", [*NUMBERS, *OTHERS, "1e400", "4e38"])
def test_import_and_prediction_read_the_same_numbers(text: str) -> None:
    with duckdb.connect() as connection:
        question = f"SELECT {number('text')} FROM (SELECT ? AS text)"  # noqa: S608 (an expression)
        ((imported_as,),) = connection.execute(question, [text]).fetchall()
    try:
        predicted_as = as_number(text)
    except InvalidValue:
        predicted_as = None
    assert imported_as == predicted_as


@pytest.mark.parametrize("name", ["bid", "paid", "humid", "Grid"])
def test_a_name_that_only_ends_as_an_identifier_is_none(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(1).permutation(1000)[:40].tolist()
    rows = [[value, n % 7, "ab"[n % 2]] for n, value in enumerate(values)]
    done = imported(as_csv(tmp_path / "a.csv", Table([name, "z", "y"], rows)), tmp_path / "ds")
    assert [each["name"] for each in done.report["columns"]] == [name, "z"]


@pytest.mark.parametrize("declared", ["number", "date"])
def test_a_column_without_a_value_of_its_declared_kind_is_left_out(
    tmp_path: Path, declared: str
) -> None:
    columns = {"x": declared, "number": "number"}
    values = ["a", "b", "2024-02-30", "2024-13-01"] * 10
    found = column_of(values, tmp_path, table={"columns": columns})
    assert found == f"it is declared a {declared}, and none of its values is one"


def test_a_column_that_is_called_as_an_identifier_is_left_out(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    ids = chance.permutation(1000)[:40].tolist()
    rows = [[ids[n], ids[n], n % 7, "ab"[n % 2]] for n in range(40)]
    table = Table(["customer_id", "price", "z", "y"], rows)
    done = imported(as_csv(tmp_path / "a.csv", table), tmp_path / "ds")
    assert [each["name"] for each in done.report["dropped"]] == ["customer_id"]
    assert [each["name"] for each in done.report["columns"]] == ["price", "z"]


@pytest.mark.parametrize(
    ("declared", "values", "is_kind"),
    [
        ("category", [1, 2, 3, 4] * 10, "category"),
        ("number", list(range(40)), "number"),
        ("category", [f"text {n}" for n in range(40)], "category"),
        ("number", ["true", "false"] * 20, "number"),
    ],
)
def test_a_declared_kind_comes_first(
    tmp_path: Path, declared: str, values: list[Any], is_kind: str
) -> None:
    columns = {"x": declared, "number": "number"}
    found = column_of(values, tmp_path, table={"columns": columns})
    assert isinstance(found, dict), found
    assert found["kind"] == is_kind


def test_an_ignored_column_is_left_out(tmp_path: Path) -> None:
    columns = {"x": "ignore", "number": "number"}
    found = column_of([1, 2, 4, 8] * 10, tmp_path, table={"columns": columns})
    assert found == "it is declared to be ignored"


def test_values_that_are_no_numbers_count_as_missing_and_are_said(tmp_path: Path) -> None:
    found = column_of([*range(2, 80, 2), "about 7"], tmp_path, **KEEP)
    assert isinstance(found, dict)
    assert found["odd"] == 1
    report = imported(tmp_path / "a.csv", tmp_path / "again", **KEEP).report
    assert (
        "In x 1 values are no numbers that float32 holds, and count as missing."
        in report["warnings"]
    )


@pytest.mark.parametrize("offset", [0, 1_700_000_000])
def test_numbers_that_float32_does_not_tell_apart_are_said(tmp_path: Path, offset: int) -> None:
    column_of([offset + 7 * n % 60 for n in range(40)], tmp_path, **KEEP)
    report = imported(tmp_path / "a.csv", tmp_path / "again", **KEEP).report
    said = [each for each in report["warnings"] if "in steps of 128" in each]
    assert len(said) == (offset > 0)


def test_rare_categories_count_as_one(tmp_path: Path) -> None:
    frequent = [f"word {n % 30}" for n in range(300)]
    rare = [f"rare {n}" for n in range(20)]
    target = tmp_path / "ds"
    rows = [[each, n % 9, "ab"[n % 2]] for n, each in enumerate(frequent + rare)]
    imported(as_csv(tmp_path / "a.csv", Table(["x", "z", "y"], rows)), target)
    (column,) = [each for each in described(target).columns if each.name == "x"]
    assert set(column.categories) == set(frequent)
    assert column.has_rare
    assert column.code("rare 3")[0] == column.code("never seen")[0] == 30


def test_letters_of_two_characters_make_no_second_category(tmp_path: Path) -> None:
    """macOS writes an accent as a character of its own."""
    rows = [
        [["\u00e9t\u00e9", "e\u0301te\u0301", "hiver"][n % 3], n % 7, "ab"[n % 2]]
        for n in range(60)
    ]
    imported(as_csv(tmp_path / "a.csv", Table(["x", "z", "y"], rows)), tmp_path / "ds")
    (column,) = [each for each in described(tmp_path / "ds").columns if each.name == "x"]
    assert column.categories == ("hiver", "\u00e9t\u00e9")


def test_the_most_frequent_hundred_categories_are_told_apart(tmp_path: Path) -> None:
    values = [f"word {n % 150:03}" for n in range(1500)]
    values += values[: 100 * 5]  # the first hundred come more often
    rows = [[each, n % 9, "ab"[n % 2]] for n, each in enumerate(values)]
    imported(as_csv(tmp_path / "a.csv", Table(["x", "z", "y"], rows)), tmp_path / "ds")
    (column,) = [each for each in described(tmp_path / "ds").columns if each.name == "x"]
    assert len(column.categories) == 100
    assert column.has_rare


def leaky(values: list[Any], classes: list[str], tmp_path: Path) -> list[str]:
    """The columns that are found to give the answer away, of one that may and one of noise."""
    noise = np.random.default_rng(2).normal(size=len(values)).round(4).tolist()
    rows = [list(each) for each in zip(values, noise, classes, strict=True)]
    file = as_csv(tmp_path / "a.csv", Table(["suspect", "noise", "class"], rows))
    done = imported(file, tmp_path / "ds", table={"columns": {"suspect": "number"}})
    assert sum("alone tells the class" in each for each in done.report["warnings"]) == len(
        done.facts["revealing"]
    )
    return list(done.facts["revealing"])


CLASSES = ["won" if number % 3 else "lost" for number in range(600)]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([7.0 if each == "won" else 3.0 for each in CLASSES], True),
        ([float(n % 2) if each == "won" else None for n, each in enumerate(CLASSES)], True),
        ([n / 600 + (each == "won") for n, each in enumerate(CLASSES)], True),
        ([n % 600 + 2.0 * (each == "won") for n, each in enumerate(CLASSES)], False),
        ([float((n * 7919) % 600) for n in range(600)], False),
        ([(each == "won") ^ (n % 30 == 0) for n, each in enumerate(CLASSES)], False),
    ],
    ids=["equal", "missing otherwise", "threshold", "blurred", "unrelated", "one in thirty wrong"],
)
def test_a_column_that_gives_the_answer_away_is_found(
    tmp_path: Path, values: list[Any], found: bool
) -> None:
    assert leaky(values, CLASSES, tmp_path) == (["suspect"] if found else [])


def test_real_measures_give_no_answer_away(tmp_path: Path) -> None:
    """The best of them tells 92% of the tumours, and 96% of the irises."""
    for at, table in enumerate((load_breast_cancer(), load_iris())):
        names = [f"x{each}" for each in range(table.data.shape[1])]
        rows = [[*row, label] for row, label in zip(table.data, table.target, strict=True)]
        file = as_csv(tmp_path / f"{at}.csv", Table([*names, "class"], rows))
        assert imported(file, tmp_path / f"ds_{at}").facts["revealing"] == []
