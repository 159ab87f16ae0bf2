"""Labels that are no text in UTF-8, and names beside them: told apart and shown, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.unit.imports import pictures
from tests.unit.imports.pictures import Files, here, of_classes, picture, refused, tarred, zipped
from worker.imports.messages import Imported, Refused, encode

PETS = of_classes("x", "y")
HALVES, BYTES = ("a\ud83d", "a\udfff"), (b"caf\xe8", b"caf\xe9")


def npz(path: Path, labels: tuple[Any, Any]) -> Path:
    images = np.stack([picture(number, number % 2) for number in range(20)])
    np.savez(path, images=images, labels=np.array(labels * 10))
    return path


def with_json(path: Path, labels: tuple[str, str]) -> Path:
    rows = [{"file_name": name, "label": labels[name[0] == "y"]} for name in PETS]
    table = "\n".join(map(json.dumps, rows)).encode()
    return zipped(path, PETS | {"metadata.jsonl": table})


def with_csv(path: Path, labels: tuple[bytes, bytes]) -> Path:
    rows = [b"%s,%s\n" % (name.encode(), labels[name[0] == "y"]) for name in PETS]
    return zipped(path, PETS | {"labels.csv": b"file,label\n" + b"".join(rows)})


def csv_rows(path: Path, labels: tuple[bytes, bytes]) -> Path:
    rows = [b"%d,%s\n" % (number % 7, labels[number % 2]) for number in range(40)]
    path.write_bytes(b"n,label\n" + b"".join(rows))
    return path


def json_rows(path: Path, labels: tuple[str, str]) -> Path:
    rows = [{"n": number % 7, "label": labels[number % 2]} for number in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def classes(done: Imported) -> list[str]:
    encode(done)
    return [each["name"] for each in done.report["classes"]]


@pytest.mark.parametrize(
    ("made", "labels", "names"),
    [
        (npz, BYTES, ["caf\\xe8", "caf\\xe9"]),
        (npz, HALVES, ["a\\ud83d", "a\\udfff"]),
        (with_json, HALVES, ["a\\ud83d", "a\\udfff"]),
        (with_csv, (b"a\x81", b"a\x8d"), ["a\\x81", "a\\x8d"]),  # which cp1252 does not have
        (json_rows, HALVES, ["a\\ud83d", "a\\udfff"]),
        (json_rows, ("\ud83d", "\udfff"), ["\\ud83d", "\\udfff"]),
        (csv_rows, (b"a\x81", b"a\x8d"), ["a\\x81", "a\\x8d"]),
    ],
)
def test_labels_that_differ_in_what_is_no_text_stay_two_classes(
    tmp_path: Path, made: Callable[[Path, Any], Path], labels: Any, names: list[str]
) -> None:
    kind = "table" if made in (csv_rows, json_rows) else "image"
    done = here(made(tmp_path / "a.npz", labels), tmp_path / "ds", kind)
    assert classes(done) == names
    assert any(f"{names[0]}, {names[1]}. Save" in each for each in done.report["warnings"])


def test_bytes_that_a_declared_encoding_does_not_have_are_kept_apart(tmp_path: Path) -> None:
    file = csv_rows(tmp_path / "a.csv", BYTES)
    done = here(file, tmp_path / "ds", "table", table={"encoding": "utf-8"})
    assert classes(done) == ["caf\\xe8", "caf\\xe9"]


def test_a_label_that_is_the_code_of_another_is_refused(tmp_path: Path) -> None:
    refusal = refused(npz(tmp_path / "a.npz", ("a\udce9", "a\\xe9")), tmp_path / "ds")
    assert refusal.code == "wrong_label"
    assert r"'a\udce9' and 'a\\xe9'" in refusal.message


def test_folders_that_differ_in_white_space_at_their_ends_are_one_class(tmp_path: Path) -> None:
    """As values of a table are; of some white space a name had a mark, and two such names one."""
    files: Files = of_classes("a\x1c", "a", "b\t", "c")
    done = here(tarred(tmp_path / "a.tar", files, "w"), tmp_path / "ds")
    assert classes(done) == ["a", "b", "c"]


def test_texts_of_numpy_that_are_none_are_refused(tmp_path: Path) -> None:
    for order in "<>":
        texts = np.array([0x110000, 97] * 10, f"{order}u4").view(f"{order}U1")
        file = npz(tmp_path / "a.npz", ("a", "b"))
        images = np.load(file)["images"]
        np.savez(file, images=images, labels=texts)
        refusal = refused(file, tmp_path / "ds")
        assert refusal.code == "unfit_arrays"
        assert "labels holds numbers that stand for no character" in refusal.message
        np.savez(file, images=images, labels=np.array(["a", "b"] * 10).astype(f"{order}U1"))
        assert classes(here(file, tmp_path / f"ds{order}")) == ["a", "b"]


@pytest.mark.parametrize("option", [None, "label"])
def test_a_column_of_labels_that_are_bytes_is_refused_by_name(
    tmp_path: Path, option: str | None
) -> None:
    of_pictures, of_rows = tmp_path / "a.parquet", tmp_path / "b.parquet"
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE p (image BLOB, other INT, label BLOB)")
        for name, content in PETS.items():
            connection.execute("INSERT INTO p VALUES (?, 1, ?)", [content, name[:1].encode()])
        connection.execute(f"COPY p TO '{of_pictures}' (FORMAT parquet)")
        connection.execute("CREATE TABLE r AS SELECT other + 1 AS n, other, label FROM p")
        connection.execute(f"COPY r TO '{of_rows}' (FORMAT parquet)")
    named = [
        refused(of_pictures, tmp_path / "ds", label=option),
        refused(of_rows, tmp_path / "ds", "table", table={"target": option}),
    ]
    for refusal in named:
        assert "column 'label' are bytes" in refusal.message
        assert "df['label'].str.decode('utf-8')" in refusal.advice


def test_a_column_of_bytes_beside_the_target_is_left_out_as_that(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE r AS SELECT i % 7 AS n, encode('b') AS raw, [i] AS some, "
            "i % 2 AS label FROM range(40) t(i)"
        )
        connection.execute(f"COPY r TO '{tmp_path / 'a'}' (FORMAT parquet)")
    ignored = {"table": {"columns": {"raw": "ignore"}}}
    done = here(tmp_path / "a", tmp_path / "ds", "table", **ignored)
    assert done.report["dropped"] == [
        {"name": "raw", "reason": "its values are bytes"},
        {"name": "some", "reason": "its values are lists or objects"},
    ]


def test_names_that_are_no_text_can_be_sent(tmp_path: Path) -> None:
    """Those of columns and groups reach refusals and reports, too."""
    rows = [
        {"file_name": name, "label": name[0], "g": "\ud83d", "split": ["train", "test"][at % 2]}
        for at, name in enumerate(PETS)
    ]
    table = "\n".join(map(json.dumps, rows)).encode()
    source = zipped(tmp_path / "a.zip", PETS | {"metadata.jsonl": table})
    done = here(source, tmp_path / "ds", parts={"group": "g"})
    encode(done)
    assert any("groups, \\ud83d: " in each for each in done.report["warnings"])

    table = json.dumps({"x\ud83d": 1, "label": "x"}).encode()
    source = zipped(tmp_path / "b.zip", PETS | {"metadata.jsonl": table})
    refusal = refused(source, tmp_path / "none")
    encode(Refused(refusal.code, refusal.message, refusal.advice))
    assert "x\\ud83d" in refusal.message

    file = tmp_path / "a.jsonl"
    some = [{"n": at % 7, "label": at % 2, "list\ud83d": [1]} for at in range(40)]
    file.write_text("\n".join(map(json.dumps, some)))
    done = pictures.here(file, tmp_path / "rows", "table")
    encode(done)
    assert done.report["dropped"][0]["name"] == "list\\ud83d"
