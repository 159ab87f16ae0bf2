"""Tables that cannot be used, and what is no fault of the table."""

import json
import random
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.imports.rows import (
    Table,
    as_csv,
    as_json_lines,
    as_parquet,
    imported,
    loaded,
    people,
    refused,
)
from tests.unit.imports.test_row_tables import TYPES
from worker import disk_faults
from worker.imports import database
from worker.imports.__main__ import NO_STORAGE
from worker.imports.messages import COMMAND, Hindered, Import, decode, encode_order
from worker.imports.refusals import Refusal


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        (b"", {}, "empty_file", "no rows"),
        (b"a,b,class\n", {}, "no_rows", "no row"),
        (b"PK\3\4" + b"x" * 100, {}, "unknown_format", "CSV, Parquet or JSON"),
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
            b"a,class\n" + b"1,x\x01\n2,x\x02\n" * 9,
            {},
            "wrong_label",
            "differ in what cannot be shown",
        ),
        (
            b"a,class\n" + b"".join(b"%d,%d.5\n" % (n % 3, n) for n in range(40)),
            {},
            "target_is_a_number",
            "40 different numbers",
        ),
        (b"class\n" + b"x\ny\n" * 9, {}, "no_columns", "beside the target 'class'."),
        (
            b"n,class\n" + b"".join(b"%d,u%dx\n" % (n % 7, n) for n in range(40)),
            {},
            "too_many_classes",
            "Each of the 40 rows has a class of its own, such as 'u0x'",
        ),
        (
            b"# my table\na,class\n" + b"1,x\n2,y\n" * 9,
            {},
            "unreadable",
            "The first line has one value, '# my table'",
        ),
        (b"a,class\n1,x\n" + b"no\n" * 30, {}, "unreadable", "30 of"),
        (b",".join(b"c%d" % n for n in range(1001)), {}, "too_many_columns", "1001 columns"),
        (b'{"a": 1}\n{"a": 2}\n', {}, "no_target", "a"),
        (b'{"a": {"0": 1}, "b": {"0": 2}}', {}, "no_columns", "lists or objects: 'a', 'b'"),
        (json.dumps({n: {"a": 1} for n in range(2000)}).encode(), {}, "no_columns", "'0', '1'"),
        (b"{\n}\n", {}, "unreadable", "line 1: it is no JSON"),
        (b"[[1, 2], [3, 4]]", {}, "unreadable", "row 1: it is no JSON object"),
        (b"[]", {}, "no_rows", "no rows"),
        (b'[{"a": 1}, {"a": 2}', {}, "damaged_file", "behind row 2: the end is where ',' is"),
        (b'[{"a": 1}, {"a": 2, }]', {}, "damaged_file", "behind row 1: "),
        (b'[{"a": }, {"a": 2}]', {}, "damaged_file", "read from its first row on: Expecting value"),
        (b'[{"a": 1}] {', {}, "damaged_file", "behind row 1: '{' is where the end is"),
        (b"[" * 100_000, {}, "damaged_file", "first row on: it is nested too deeply."),
        (b'{"a": ' * 100_000, {}, "unreadable", "line 1: it is no JSON: it is nested too deeply."),
        (b'[{"a": "\xff"}]', {}, "damaged_file", "utf-8"),
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
    said = decode(done.stdout.splitlines()[-1])
    assert isinstance(said, Hindered)
    assert said.advice == disk_faults.ROOM


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


def test_a_refusal_says_how_many_columns_it_does_not_name(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(25)]
    file = as_csv(tmp_path / "a.csv", Table(names, [range(25)] * 20))
    assert "c18, c19 and 5 more." in refused(file, tmp_path / "ds").message
