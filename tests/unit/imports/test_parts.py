"""Which pictures test, which are doubles, and what cannot be learnt from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.imports.pictures import Files, encoded, imported, of_classes, picture, zipped


def test_the_test_part_is_drawn_from_each_class_by_the_seed(tmp_path: Path) -> None:
    files = of_classes("a", each=30) | {
        f"b/{n}.png": content for n, content in enumerate(of_classes("x", "b", each=10).values())
    }
    source = zipped(tmp_path / "a.zip", files)
    done = [
        imported(source, tmp_path / str(number), parts={"test_fraction": 0.1, "seed": seed})
        for number, seed in enumerate((0, 0, 1))
    ]
    assert done[0].facts == done[1].facts
    assert done[0].facts["sha256"] != done[2].facts["sha256"]
    for each in done:
        assert [(c["name"], c["train"], c["test"]) for c in each.report["classes"]] == [
            ("a", 27, 3),
            ("b", 18, 2),
        ]


def test_a_group_stays_in_one_part(tmp_path: Path) -> None:
    files = of_classes("a", "b", each=20)
    rows = [f"{name},{name[0]},p{number % 8}" for number, name in enumerate(files)]
    table = "\n".join(["file_name,label,patient", *rows]).encode()
    source = zipped(tmp_path / "a.zip", {"metadata.csv": table} | files)
    done = imported(source, tmp_path / "ds", parts={"group": "patient", "test_fraction": 0.25})
    assert done.facts["test_images"] == 10  # two groups of five
    again = imported(source, tmp_path / "2", parts={"group": "patient", "test_fraction": 0.25})
    assert again.facts == done.facts
    missing = imported(source, tmp_path / "3", parts={"group": "doctor"})
    assert missing.refusal == "no_column"


def test_doubles_across_parts_are_reported_and_dropped(tmp_path: Path) -> None:
    files: Files = {f"train/{name}": content for name, content in of_classes("a", "b").items()}
    others = of_classes("a", "b", each=13)
    files |= {f"test/{name}": others[name] for name in others if int(name[2:-4]) >= 10}
    files["test/a/copy.png"] = files["train/a/3.png"]
    near = np.asarray(picture(4, 1)).astype(int) + 1
    files["test/b/near.png"] = encoded(Image.fromarray(near.clip(0, 255).astype(np.uint8)))
    files["train/a/again.png"] = files["train/a/5.png"]
    source = zipped(tmp_path / "a.zip", files)
    told = imported(source, tmp_path / "told")
    doubles = told.report["duplicates"]
    assert [(each["train"], each["test"], each["kind"]) for each in doubles["across"]] == [
        ("train/a/3.png", "test/a/copy.png", "exact"),
        ("train/b/4.png", "test/b/near.png", "near"),
    ]
    assert (doubles["within_training"], doubles["dropped"]) == (1, 0)
    assert any("deduplicate" in warning for warning in told.report["warnings"])
    assert (told.facts["train_images"], told.facts["duplicates"]) == (21, 2)
    dropped = imported(source, tmp_path / "dropped", deduplicate=True)
    assert dropped.report["duplicates"]["dropped"] == 3
    assert (dropped.facts["train_images"], dropped.facts["duplicates"]) == (18, 0)
    assert dropped.facts["test_images"] == told.facts["test_images"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (of_classes("a"), "too_few_classes"),
        (of_classes("a", "b", each=4), "too_few_examples"),
        ({f"test/{name}": each for name, each in of_classes("a", "b").items()}, "empty_part"),
        ({"readme.txt": b"nothing"}, "no_pictures"),
        ({}, "no_pictures"),
        ({f"{n}.png": encoded(picture(n, 0)) for n in range(20)}, "no_pictures"),
        (of_classes("a", "b") | {f"a/{n}.txt": b"no picture" for n in range(21)}, "unreadable"),
        ({f"{n}/{n}.png": encoded(picture(n, 0, 8)) for n in range(1001)}, "too_many_classes"),
    ],
    ids=["one class", "few", "no training", "no picture", "empty", "no folder", "text", "classes"],
)
def test_what_nobody_can_learn_from_is_refused(tmp_path: Path, files: Files, code: str) -> None:
    done = imported(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    assert done.refusal == code
    assert done.code == 0
    assert not (tmp_path / "ds").exists()
    assert {each.name for each in tmp_path.iterdir()} == {"a.zip", "ds.lock"}


def test_what_cannot_be_read_is_listed_by_name_and_reason(tmp_path: Path) -> None:
    whole = encoded(picture(1, 0, 64))
    files = of_classes("a", "b") | {
        "a/cut.png": whole[: len(whole) // 2],
        "b/empty.png": b"",
        "b/notes.txt": b"bought at the market",
        "loose.png": encoded(picture(1, 1)),
        "a/Thumbs.db": b"x",
        "__MACOSX/a/._0.png": b"x",
        ".DS_Store": b"x",
    }
    done = imported(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    left_out = {each["name"]: each["reason"] for each in done.report["left_out"]["files"]}
    assert set(left_out) == {"a/cut.png", "b/empty.png", "b/notes.txt", "loose.png"}
    assert "cut off" in left_out["a/cut.png"]
    assert "empty" in left_out["b/empty.png"]
    assert "folder" in left_out["loose.png"]
    assert done.report["images"] == 20


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    done = imported(zipped(tmp_path / "a.zip", of_classes("10", "9", "-1")), tmp_path / "ds")
    assert [each["name"] for each in done.report["classes"]] == ["-1", "9", "10"]
