"""Tables: what a column is taken for, and the same rows give the same arrays in every file."""

import json
import random
import resource
import signal
import subprocess
from collections.abc import Callable
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
    refused,
)
from worker.imports import database
from worker.imports.__main__ import NO_STORAGE
from worker.imports.messages import COMMAND, Import, encode_order
from worker.imports.refusals import Refusal

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


def test_a_formula_is_a_text(tmp_path: Path) -> None:
    rows = [["=HYPERLINK(1)" if n % 2 else "@sum", n % 7, "ab"[n % 2]] for n in range(40)]
    done = imported(as_csv(tmp_path / "a.csv", Table(["x", "z", "y"], rows)), tmp_path / "ds")
    (column,) = [each for each in done.report["columns"] if each["name"] == "x"]
    assert {each["name"] for each in column["categories"]} == {"=HYPERLINK(1)", "@sum"}


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        (b"", {}, "empty_file", "no rows"),
        (b"a,b,class\n", {}, "no_rows", "no row"),
        (b"PK\3\4" + b"x" * 100, {}, "unknown_format", "CSV, Parquet or JSON lines"),
        (b"PAR1" + b"x" * 100, {}, "damaged_file", "Parquet"),
        (b"\0" * 1000, {}, "unknown_format", "CSV"),
        (b"a,b,c\n1,2,3\n" * 20, {}, "no_target", "a, b, c"),
        (b"a,b,class\n1,2,x\n" * 20, {"table": {"target": "z"}}, "no_column", "table.target"),
        (b"a,class\n1,x\n" * 20, {"parts": {"group": "z"}}, "no_column", "parts.group"),
        (b"a,class\n1,x\n" * 20, {"table": {"columns": {"z": "number"}}}, "no_column", "columns"),
        (b"a,class\n1,x\n2,y\n", {}, "too_few_examples", "2 rows"),
        (b"a,class\n" + b"1,x\n2,x\n" * 9, {}, "too_few_classes", "All rows"),
        (b"a,class\n" + b"1,x\n1,y\n" * 9, {}, "no_columns", "one value only"),
        (
            b"a,class\n" + b"".join(b"%d,%d.5\n" % (n % 3, n) for n in range(40)),
            {},
            "target_is_a_number",
            "40 different numbers",
        ),
        (b"a,class\n1,x\n" + b"no\n" * 30, {}, "unreadable", "30 of"),
        (b",".join(b"c%d" % n for n in range(1001)), {}, "too_many_columns", "1001 columns"),
        (b'{"a": 1}\n{"a": 2}\n', {}, "no_target", "a"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_used_is_refused_with_advice(
    tmp_path: Path, content: bytes, options: dict[str, Any], code: str, says: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    refusal = refused(file, tmp_path / "ds", **options)
    assert refusal.code == code
    assert says in str(refusal)


def test_a_disk_without_room_is_no_fault_of_the_table(tmp_path: Path) -> None:
    """A file of the import cannot grow beyond 400 kB: the CSV has room, and DuckDB's copy not."""
    file = as_csv(tmp_path / "a.csv", people(6000))
    assert file.stat().st_size < 400_000
    order = Import(str(file), str(tmp_path / "ds"), "people", "a.csv", "table", {})

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    done = subprocess.run(
        COMMAND,
        input=encode_order(order),
        capture_output=True,
        check=False,
        preexec_fn=limited,
    )
    assert done.returncode == NO_STORAGE, done.stderr
    assert b"no room" in done.stderr


def test_a_table_too_large_for_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MEMORY_MB", 20)
    chance = random.Random(1)
    rows = [[chance.randbytes(300).hex(), n % 7, "ab"[n % 2]] for n in range(30_000)]
    refusal = refused(as_csv(tmp_path / "a.csv", Table(["x", "z", "class"], rows)), tmp_path / "ds")
    assert refusal.code == "too_large"
    assert "fewer rows" in refusal.advice


def test_parquet_of_pictures_says_that_it_is_no_table(tmp_path: Path) -> None:
    rows = [[{"bytes": b"x", "path": "a"}] for _ in range(12)]
    file = as_parquet(
        tmp_path / "a.parquet", Table(["image"], rows), ["STRUCT(bytes BLOB, path VARCHAR)"]
    )
    refusal = refused(file, tmp_path / "ds")
    assert refusal.code == "no_columns"
    assert "kind image" in refusal.advice


@pytest.mark.timeout(1800)
def test_mutated_tables_are_read_or_refused(
    tmp_path: Path, seed: int, repeated: Callable[[int], int]
) -> None:
    chance = random.Random(seed)
    table = people(30)
    files = [
        as_csv(tmp_path / "a.csv", table).read_bytes(),
        as_json_lines(tmp_path / "a.jsonl", table).read_bytes(),
        as_parquet(tmp_path / "a.parquet", table, TYPES).read_bytes(),
    ]
    ends = {"read": 0, "refused": 0}
    for number in range(repeated(2000)):
        content = bytearray(chance.choice(files))
        for _ in range(chance.randrange(1, 12)):
            at = chance.randrange(len(content))
            match chance.randrange(4):
                case 0:
                    content[at] = chance.randrange(256)
                case 1:
                    del content[at : at + chance.randrange(40)]
                case 2:
                    content[at:at] = chance.choice([b'"', b"\n", b",", b"\0", b"\xff", b"{", b"]"])
                case _:
                    content[at:at] = content[at : at + chance.randrange(60)]
        file = tmp_path / "mutated"
        file.write_bytes(bytes(content))
        target = tmp_path / f"ds_{number}"
        try:
            done = imported(file, target, table={"target": "class"})
            json.dumps(done.report)
            loaded(target, done)
            ends["read"] += 1
        except Refusal:
            ends["refused"] += 1
    assert min(ends.values()) > 5, ends
