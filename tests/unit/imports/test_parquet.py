"""Parquet files as people write them: forms that mean the same, other columns, damage."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from app.jobspec.import_options import ImportOptions
from tests.unit.imports.pictures import (
    as_parquet,
    encoded,
    here,
    of_classes,
    picture,
    refused,
)
from worker.imports.parquet import Parquet

PETS = of_classes("cat", "dog")


def parquet(path: Path, columns: str, rows: int = 20) -> Path:
    """A table of the pictures and of these columns, which may use `i`, the number of the row."""
    contents = [encoded(picture(number, number % 2)) for number in range(rows)]
    with duckdb.connect() as table:
        table.execute("CREATE TABLE t (i INT, content BLOB)")
        table.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(contents)))
        select = f"SELECT {columns} FROM t ORDER BY i"  # noqa: S608 (columns of a test)
        table.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ("content AS image, i % 2 AS label", {}),
        ("content, (i % 2)::VARCHAR AS category", {}),
        ('content AS "a ""b""\'", i % 2 AS "x;y"', {"label": "x;y"}),
        ("'x' AS thumb, content AS other, content AS image, i % 2 AS target", {}),
        ("content AS pic, i AS n, i % 2 AS label", {"file": "pic"}),
        ("{'bytes': content, 'path': NULL} AS image, (i % 2)::UTINYINT AS label", {}),
    ],
)
def test_forms_of_parquet_that_mean_the_same(
    tmp_path: Path, columns: str, options: dict[str, Any]
) -> None:
    plain = parquet(tmp_path / "plain", "content AS image, i % 2 AS label")
    other = parquet(tmp_path / "other", columns)
    expected = here(plain, tmp_path / "a").facts
    assert here(other, tmp_path / "b", **options).facts == expected


NAMESAKES = ["Image", "image", "Label", "label"]


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (NAMESAKES, {}),
        (NAMESAKES[::-1], {}),
        (["Image", "image", "Label", "LABEL"], {"label": "LABEL"}),
        (["Image", "IMAGE", "Label", "label"], {"file": "IMAGE"}),
    ],
    ids=str,
)
def test_names_that_differ_in_case_alone_are_those_of_the_file(
    tmp_path: Path, names: list[str], options: dict[str, Any]
) -> None:
    """DuckDB calls the second `label_1`. The other of each holds nothing of use."""
    last = {"image", "IMAGE", "label", "LABEL"}
    useful, useless = ("content", "i % 2"), ("NULL::BLOB", "7")
    columns = ", ".join(
        f"{(useful if name in last else useless)[name.lower() == 'label']} AS name{at}"
        for at, name in enumerate(names)
    )
    file = parquet(tmp_path / "a", columns)
    content = file.read_bytes()
    for at, name in enumerate(names):
        content = content.replace(b"name%d" % at, name.encode())
    file.write_bytes(content)
    plain = parquet(tmp_path / "b", "content AS image, i % 2 AS label")
    assert here(file, tmp_path / "x", **options).facts == here(plain, tmp_path / "y").facts


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ("i AS image, i % 2 AS label", "no_column"),
        ("content AS image", "no_column"),
        ("content AS image, (i % 2) / 3 AS label", "no_column"),
        ("content AS image, [i % 2] AS label", "no_column"),
        ("[content] AS image, i % 2 AS label", "no_column"),
        ("NULL::BLOB AS image, i % 2 AS label", "unreadable"),
        ("content AS image, NULL::INT AS label", "no_pictures"),
        ("content AS image, i % 2 AS label, 'holdout' AS split", "unknown_part"),
    ],
)
def test_parquet_of_other_columns_is_refused(tmp_path: Path, columns: str, code: str) -> None:
    assert refused(parquet(tmp_path / "a", columns), tmp_path / "ds").code == code


def test_parquet_gives_parts_and_groups(tmp_path: Path) -> None:
    columns = "content AS image, i % 2 AS label, ['train', 'test'][1 + (i // 10)::INT] AS split"
    facts = here(parquet(tmp_path / "a", columns), tmp_path / "ds").facts
    assert (facts["train_images"], facts["test_images"]) == (10, 10)
    columns = "content AS image, i % 2 AS label, i // 4 AS patient"
    options = {"group": "patient", "test_fraction": 0.2}
    facts = here(parquet(tmp_path / "b", columns), tmp_path / "ds", parts=options).facts
    assert facts["test_images"] == 4


def test_a_label_that_is_missing_on_the_hub_is_left_out(tmp_path: Path) -> None:
    columns = "content AS image, CASE WHEN i < 3 THEN -1 ELSE i % 2 END AS label"
    report = here(parquet(tmp_path / "a", columns), tmp_path / "ds").report
    assert report["left_out"]["count"] == 3


def test_parquet_reaches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("secret")
    with closing(Parquet(as_parquet(tmp_path / "a", PETS), ImportOptions(), None)) as table:
        for question in (
            "SELECT * FROM read_text('/etc/passwd')",
            f"FROM read_text('{tmp_path / 'b'}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'evil.csv'}'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                table._database.execute(question)
    assert {each.name for each in tmp_path.iterdir()} == {"a", "b"}


def test_damaged_metadata_of_the_hub_do_no_harm(tmp_path: Path) -> None:
    for number, about in enumerate(("[" * 100_000, "{}", json.dumps({"info": []}), "\\x00")):
        path = tmp_path / f"{number}.parquet"
        contents = [encoded(picture(each, each % 2)) for each in range(20)]
        with duckdb.connect() as table:
            table.execute("CREATE TABLE t (image BLOB, label INT)")
            rows = [[content, number % 2] for number, content in enumerate(contents)]
            table.executemany("INSERT INTO t VALUES (?, ?)", rows)
            table.execute(
                f"COPY t TO '{path}' (FORMAT parquet, KV_METADATA {{huggingface: $about}})",
                {"about": about},
            )
        assert here(path, tmp_path / "ds").report["images"] == 20
