"""Tables: what a column is taken for, and the same rows give the same arrays in every file."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.imports.rows import (
    NAMES,
    Table,
    as_csv,
    as_json_lines,
    as_parquet,
    described,
    imported,
    loaded,
    people,
)
from worker.imports.rows import json_rows

TYPES = ["BIGINT", "VARCHAR", "BOOLEAN", "DATE", "DOUBLE", "VARCHAR"]


def test_every_kind_of_file_gives_equal_arrays(tmp_path: Path) -> None:
    table = people()
    shuffled = random.Random(1).sample(table.rows, len(table.rows))
    files = [
        as_csv(tmp_path / "a.csv", table),
        as_csv(tmp_path / "semicolons.csv", table, delimiter=";"),
        as_csv(tmp_path / "tabs.tsv", table, delimiter="\t"),
        as_csv(tmp_path / "excel.csv", table, "utf-16"),
        as_csv(tmp_path / "mark.csv", table, "utf-8-sig"),
        as_csv(tmp_path / "quoted.csv", table, quoting=1),
        as_csv(tmp_path / "shuffled.csv", Table(NAMES, shuffled)),
        as_json_lines(tmp_path / "a.jsonl", table),
        as_parquet(tmp_path / "a.parquet", table, TYPES),
        as_parquet(tmp_path / "texts.parquet", table, ["VARCHAR"] * 6),
        as_parquet(tmp_path / "enum.parquet", table, [*TYPES[:3], "TIMESTAMP", *TYPES[4:]]),
    ]
    done = [imported(each, tmp_path / f"ds_{each.name}") for each in files]
    assert done[0].facts == {
        "kind": "table",
        "input_shape": (9,),
        "classes": 2,
        "train_images": 48,
        "test_images": 12,
        "validation_images": 0,
        "duplicates": 0,
        "revealing": [],
        "sha256": done[0].facts["sha256"],
    }
    for file, each in zip(files, done, strict=True):
        assert each.facts == done[0].facts, file.name
    assert [each.report["format"] for each in (done[0], done[7], done[8])] == [
        "CSV",
        "JSON lines",
        "Parquet",
    ]


def test_the_arrays_hold_each_value_as_a_number(tmp_path: Path) -> None:
    table = people()
    target = tmp_path / "ds"
    done = imported(as_csv(tmp_path / "a.csv", table), target)
    description, dataset = described(target), loaded(target, done)
    assert description.target == "class"
    assert description.classes == ["old", "young"]
    kinds = {column.name: column.kind for column in description.columns}
    assert kinds == {
        "age": "number",
        "job": "category",
        "smokes": "category",
        "since": "date",
        "income": "number",
    }
    expected = set()
    for *values, label in table.rows:
        codes = [
            column.code(value)[0] for column, value in zip(description.columns, values, strict=True)
        ]
        expected.add((*np.array(codes, np.float32).tolist(), description.classes.index(label)))
    found = [
        (*row.tolist(), int(label))
        for part in ("train", "test")
        for row, label in zip(
            getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels"), strict=True
        )
    ]
    assert set(map(str, found)) == set(map(str, expected))  # NaN equals itself only as a text


def test_statistics_are_those_of_the_training_rows(tmp_path: Path) -> None:
    target = tmp_path / "ds"
    done = imported(as_csv(tmp_path / "a.csv", people()), target)
    rows = np.asarray(loaded(target, done).train_images, np.float64)
    for at, column in enumerate(described(target).columns):
        if column.is_category:
            assert not column.has_missing
            continue
        assert column.has_missing == (column.name == "age")
        assert column.mean == pytest.approx(np.nanmean(rows[:, at]))
        assert column.std == pytest.approx(np.nanstd(rows[:, at]))
        assert (column.low, column.high) == (np.nanmin(rows[:, at]), np.nanmax(rows[:, at]))


def test_given_parts_and_groups_count(tmp_path: Path) -> None:
    table = people()
    parts = ["train", "test", "val"]
    rows = [[*row, parts[n % 3], f"patient {n % 6}"] for n, row in enumerate(table.rows)]
    file = as_csv(tmp_path / "a.csv", Table([*NAMES, "Split", "patient"], rows))
    done = imported(file, tmp_path / "given", parts={"group": "patient"})
    sizes = [done.facts[f"{part}_images"] for part in ("train", "test", "validation")]
    assert sizes == [20, 20, 20]
    assert {each["name"] for each in done.report["columns"]} == set(NAMES) - {"class"}
    file = as_csv(
        tmp_path / "b.csv", Table([*NAMES, "patient"], [[*row[:6], row[7]] for row in rows])
    )
    grouped = imported(file, tmp_path / "grouped", parts={"group": "patient"})
    assert grouped.facts["test_images"] in (10, 20)  # one patient, or two


def test_equal_rows_stay_together_and_across_given_parts_are_found(tmp_path: Path) -> None:
    table = people(40)
    rows = [[*row, part] for part in ("train", "test") for row in table.rows[:20]]
    rows += [[*row, "train"] for row in table.rows[20:]]
    file = as_csv(tmp_path / "a.csv", Table([*NAMES, "split"], rows))
    done = imported(file, tmp_path / "found")
    assert done.facts["duplicates"] == done.report["duplicates"]["across_count"] == 20
    dropped = imported(file, tmp_path / "dropped", deduplicate=True)
    assert (dropped.facts["duplicates"], dropped.facts["train_images"]) == (0, 20)


def test_what_cannot_be_read_is_left_out_and_listed(tmp_path: Path) -> None:
    file = as_csv(tmp_path / "a.csv", people(30))
    lines = file.read_text().splitlines()
    lines[5] += ",too,many"
    lines[9] = "few"
    file.write_text("\n".join(lines))
    report = imported(file, tmp_path / "ds").report
    assert report["rows"] == 28
    assert [each["name"] for each in report["left_out"]["files"]] == ["line 6", "line 10"]
    assert "Expected Number of Columns: 6" in report["left_out"]["files"][0]["reason"]


@pytest.mark.parametrize("form", [{}, {"indent": 2}, {"ensure_ascii": False}])
def test_an_array_of_objects_is_read_as_json_lines_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    monkeypatch.setattr(json_rows, "BLOCK", 7)  # rows and numbers are cut everywhere
    lines = as_json_lines(tmp_path / "a.jsonl", people())
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    rows[3]["job"] = rows[5]["job"] = "näherin, \U0001f9f5 [{"
    lines.write_text("\n".join(json.dumps(row) for row in rows))
    array = tmp_path / "a.json"
    array.write_text("\ufeff \n" + json.dumps(rows, **form) + "\n")
    first, second = (imported(each, tmp_path / f"ds{each.suffix}") for each in (lines, array))
    assert second.facts == first.facts
    assert second.report["format"] == "JSON"


def test_what_is_no_object_of_an_array_is_left_out(tmp_path: Path) -> None:
    lines = as_json_lines(tmp_path / "a.jsonl", people(30)).read_text().splitlines()
    array = tmp_path / "a.json"
    array.write_text(f"[{','.join([*lines, '12', '[1]', 'null'])}]")
    report = imported(array, tmp_path / "ds").report
    names = [each["name"] for each in report["left_out"]["files"]]
    assert names == ["row 31", "row 32", "row 33"]
    assert report["rows"] == 30


def test_json_lines_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    file = as_json_lines(tmp_path / "a.jsonl", people(30))
    with file.open("a") as appended:
        appended.write('\n{"age": \n[1, 2]\n\n{"age": 3, "job": "cook", "extra": [1]}\n')
    done = imported(file, tmp_path / "ds")
    names = [each["name"] for each in done.report["left_out"]["files"]]
    assert names == ["line 31", "line 32", "row 31"]  # the last has no class
    assert {"name": "extra", "reason": "its values are lists or objects"} in done.report["dropped"]


@pytest.mark.parametrize(
    "header",
    [
        "\n\r\n  a,b,class",
        '"a;x;y;z",b,class',
        ",".join([*(f"{'long ' * 30}{n}" for n in range(500)), "class"]),
    ],
    ids=["behind empty lines", "with other delimiters", "75,000 letters"],
)
def test_an_odd_header_is_read(tmp_path: Path, header: str) -> None:
    count = header.count(",")
    rows = [
        ",".join([*(str((n * 7 + at) % 5) for at in range(count)), "xy"[n % 2]]) for n in range(30)
    ]
    file = tmp_path / "a.csv"
    file.write_text("\n".join([header, *rows]))
    done = imported(file, tmp_path / "ds", table={"target": "class"})
    assert done.report["rows"] == 30
    assert len(done.report["columns"]) == count
    assert done.report["left_out"]["count"] == 0


def test_a_table_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    rows = "\n".join(f"{n % 7},{n % 5},{'ab'[n % 2]}" for n in range(40))
    file = tmp_path / "a.csv"
    file.write_text(rows)
    done = imported(file, tmp_path / "ds", table={"target": "column_3"})
    assert [each["name"] for each in done.report["columns"]] == ["column_1", "column_2"]
    assert done.report["rows"] == 40
    declared = imported(file, tmp_path / "two", table={"target": "a", "header": True})
    assert declared.report["rows"] == 39


def test_windows_letters_and_repeated_names_are_read(tmp_path: Path) -> None:
    rows = "\n".join(f"{n % 7},{n % 5},{'äö'[n % 2]}" for n in range(40))
    file = tmp_path / "a.csv"
    file.write_bytes(f"größe,größe,target\n{rows}\n".encode("cp1252"))
    done = imported(file, tmp_path / "ds")
    assert [each["name"] for each in done.report["columns"]] == ["größe", "größe_2"]
    assert [each["name"] for each in done.report["classes"]] == ["ä", "ö"]


def test_of_two_usual_names_the_exact_one_is_the_target(tmp_path: Path) -> None:
    rows = [[n % 7, n % 5, "ab"[n % 2]] for n in range(40)]
    file = as_csv(tmp_path / "a.csv", Table(["x", "Class", "class"], rows))
    assert imported(file, tmp_path / "ds").facts["classes"] == 2


def test_a_formula_is_a_text(tmp_path: Path) -> None:
    rows = [["=HYPERLINK(1)" if n % 2 else "@sum", n % 7, "ab"[n % 2]] for n in range(40)]
    done = imported(as_csv(tmp_path / "a.csv", Table(["x", "z", "y"], rows)), tmp_path / "ds")
    (column,) = [each for each in done.report["columns"] if each["name"] == "x"]
    assert {each["name"] for each in column["categories"]} == {"=HYPERLINK(1)", "@sum"}


def test_names_that_differ_in_their_case_alone_are_as_the_file_has_them(tmp_path: Path) -> None:
    """DuckDB calls the second `INCOME_1`, a name that no prediction would know."""
    rows = [[number, number % 7, [number], "ab"[number % 2]] for number in range(40)]
    table = Table(["income", "wealth", "list", "class"], rows)
    types = ["DOUBLE", "DOUBLE", "INTEGER[]", "VARCHAR"]
    path = as_parquet(tmp_path / "a.parquet", table, types)
    path.write_bytes(path.read_bytes().replace(b"wealth", b"INCOME"))
    columns = {"columns": {"income": "number", "INCOME": "number"}}
    done = imported(path, tmp_path / "ds", table=columns)
    assert [each["name"] for each in done.report["columns"]] == ["income", "INCOME"]
    assert [each["name"] for each in done.report["dropped"]] == ["list"]
