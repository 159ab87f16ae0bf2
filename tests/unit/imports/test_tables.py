"""Tables beside pictures, in the forms that people and programs write."""

import json
from pathlib import Path

import pytest

from tests.unit.imports.pictures import encoded, here, of_classes, picture, refused, zipped
from worker.imports.layout import places
from worker.imports.tables import records

FILES = {f"{number}.png": encoded(picture(number, number % 2)) for number in range(20)}
ROWS = [(name, "cät" if number % 2 else "dog, large") for number, name in enumerate(FILES)]


def lines(*heads: str, delimiter: str = ",") -> str:
    return "\n".join([delimiter.join(heads), *(f'{a}{delimiter}"{b}"' for a, b in ROWS)])


FORMS = {
    "labels.csv": lines("file", "class").encode(),
    "LABELS.CSV": lines("File_Name", "Label", delimiter=";").encode("cp1252"),
    "metadata.csv": b"\xef\xbb\xbf" + lines("filename", "category").replace("\n", "\r\n").encode(),
    "metadata.tsv": lines("image", "target", delimiter="\t").encode("utf-16"),
    "metadata.jsonl": "\n".join(
        json.dumps({"n": 1, "file_name": a, "label": b}) for a, b in ROWS
    ).encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_table_says_the_same(tmp_path: Path, name: str) -> None:
    source = zipped(tmp_path / "a.zip", {name: FORMS[name]} | FILES)
    report = here(source, tmp_path / "ds").report
    assert [each["name"] for each in report["classes"]] == ["cät", "dog, large"]
    assert report["images"] == 20
    assert report["format"] == f"zip with {name}"


def test_columns_are_found_or_named(tmp_path: Path) -> None:
    table = "\n".join(["what,where", *(f"{b[:3]},{a}" for a, b in ROWS)]).encode()
    source = zipped(tmp_path / "a.zip", {"labels.csv": table} | FILES)
    refusal = refused(source, tmp_path / "ds")
    assert refusal.code == "no_column"
    assert "what, where" in refusal.message
    assert here(source, tmp_path / "ds", file="where", label="what").report["images"] == 20
    assert refused(source, tmp_path / "no", file="where", label="who").code == "no_column"


def test_a_table_names_files_from_its_folder_or_by_their_name_alone(tmp_path: Path) -> None:
    table = "\n".join(["id,label", *(f"{a[:-4]},{b[:3]}" for a, b in ROWS)]).encode()
    inside = {f"data/images/{name}": content for name, content in FILES.items()}
    source = zipped(tmp_path / "a.zip", {"data/labels.csv": table} | inside)
    assert here(source, tmp_path / "ds").report["images"] == 20


def test_tables_in_folders_of_parts_count_as_on_the_hub(tmp_path: Path) -> None:
    files = {}
    for part in ("train", "test"):
        of_part = {f"{part}/{part}{name}": content for name, content in FILES.items()}
        table = "\n".join(["file_name,label", *(f"{part}{a},{b[:3]}" for a, b in ROWS)])
        files |= {f"hub/{name}": content for name, content in of_part.items()}
        files[f"hub/{part}/metadata.csv"] = table.encode()
    facts = here(zipped(tmp_path / "a.zip", files), tmp_path / "ds").facts
    assert (facts["train_images"], facts["test_images"]) == (20, 20)


def test_what_a_table_does_not_say_is_left_out_by_name(tmp_path: Path) -> None:
    rows = [*ROWS, ("missing.png", "cat"), ("0.png", "another")]
    text = "\n".join(["file,label,split", *(f'{a},"{b}",train' for a, b in rows)])
    text = text.replace('1.png,"cät",train', '1.png,"",train', 1).replace(
        '3.png,"cät",train', '3.png,"cät",', 1
    )
    text = text.replace('5.png,"cät",train', '5.png,"cät",Test', 1)
    files = FILES | {"labels.csv": text.encode(), "extra.png": encoded(picture(99, 0))}
    report = here(zipped(tmp_path / "a.zip", files), tmp_path / "ds").report
    reasons = {each["name"]: each["reason"] for each in report["left_out"]["files"]}
    assert set(reasons) == {"missing.png", "extra.png", "0.png", "1.png", "3.png"}
    assert "twice" in reasons["0.png"]
    assert "no label" in reasons["1.png"]
    assert "no part" in reasons["3.png"]
    assert report["images"] == 17


def test_folders_name_the_classes_if_the_table_does_not(tmp_path: Path) -> None:
    files = of_classes("cat", "dog", each=12)
    rows = [f"{name},p{number % 6}" for number, name in enumerate(files)]
    table = "\n".join(["file_name,patient", *rows]).encode()
    source = zipped(tmp_path / "a.zip", {"metadata.csv": table} | files)
    report = here(source, tmp_path / "ds", parts={"group": "patient", "test_fraction": 0.5}).report
    assert [(each["train"], each["test"]) for each in report["classes"]] == [(6, 6), (6, 6)]


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    text = "\n".join(["file,label,split", *(f'{a},"{b}",holdout' for a, b in ROWS)])
    source = zipped(tmp_path / "a.zip", {"labels.csv": text.encode()} | FILES)
    refusal = refused(source, tmp_path / "ds")
    assert refusal.code == "unknown_part"
    assert "'holdout'" in refusal.message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", b'file,label\n"0.png,cat'),
        ("labels.csv", b'file,label\n0.png,"' + b"x" * 200_000 + b'"'),
        ("metadata.jsonl", b'{"file_name": "0.png"'),
        ("metadata.jsonl", b"[1]"),
        ("metadata.jsonl", b'{"a":' * 100_000),
        ("metadata.jsonl", b'{"a": ' + b"9" * 5000 + b"}"),
    ],
    ids=["quote", "field", "cut", "list", "deep", "number"],
)
def test_a_damaged_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    source = zipped(tmp_path / "a.zip", {name: content} | FILES)
    assert refused(source, tmp_path / "ds").code == "damaged_table"


def test_a_formula_is_text_and_a_text_in_place_of_a_class_is_refused(tmp_path: Path) -> None:
    assert records("labels.csv", b"file,label\na.png,=cmd|'/c calc'!A1")[1][0]["label"] == (
        "=cmd|'/c calc'!A1"
    )
    text = "\n".join(["file,label", *(f"{a},{'long ' * 50}{b[:3]}" for a, b in ROWS)])
    source = zipped(tmp_path / "a.zip", {"labels.csv": text.encode()} | FILES)
    assert refused(source, tmp_path / "ds").code == "wrong_label"


def test_broken_unicode_in_a_label_is_shown(tmp_path: Path) -> None:
    text = "\n".join(f'{{"file": "{a}", "label": "\\ud800{b[:1]}"}}' for a, b in ROWS)
    source = zipped(tmp_path / "a.zip", {"metadata.jsonl": text.encode()} | FILES)
    names = [each["name"] for each in here(source, tmp_path / "ds").report["classes"]]
    assert names == ["\\ud800c", "\\ud800d"]


def test_columns_without_a_table_are_refused(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", of_classes("cat", "dog"))
    assert refused(source, tmp_path / "ds", parts={"group": "patient"}).code == "no_table"


def test_folders_are_classes_and_parts() -> None:
    assert places(["x/train/cat/1.png", "x/test/dog/a/2.png", "x/readme.txt", "x/train/t.txt"]) == {
        "x/train/cat/1.png": ("cat", "train"),
        "x/test/dog/a/2.png": ("dog", "test"),
    }
    assert places(["train/1.png", "car/2.png", "car/x/3.png"]) == {
        "train/1.png": ("train", None),
        "car/2.png": ("car", None),
        "car/x/3.png": ("car", None),
    }
    assert places(["a.png"]) == {}
