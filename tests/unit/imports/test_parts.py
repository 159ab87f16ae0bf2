"""Which pictures test, which are doubles, and what cannot be learnt from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.imports.pictures import (
    Files,
    encoded,
    here,
    imported,
    loaded,
    of_classes,
    picture,
    refused,
    zipped,
)

PETS = of_classes("a", "b")


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


def test_equal_pictures_stay_in_one_part(tmp_path: Path) -> None:
    """A test part that is taken here never tests what was trained."""
    files = of_classes("a", "b", each=12)
    files |= {f"{name[:-4]}-{copy}.png": files[name] for name in files for copy in range(3)}
    for seed in range(5):
        report = here(
            zipped(tmp_path / "a.zip", files), tmp_path / "ds", parts={"seed": seed}
        ).report
        assert report["duplicates"]["across_count"] == 0
        assert [each["test"] for each in report["classes"]] == [8, 8]  # of 48, and 10 are wanted


def test_a_group_that_the_files_own_parts_divide_is_warned_of(tmp_path: Path) -> None:
    files = of_classes("a", "b")
    rows = [
        f"{name},{name[0]},{('train', 'test')[number % 2]},p{number // 5}"
        for number, name in enumerate(files)
    ]
    table = "\n".join(["file,label,split,patient", *rows]).encode()
    source = zipped(tmp_path / "a.zip", {"labels.csv": table} | files)
    report = here(source, tmp_path / "ds", parts={"group": "patient"}).report
    assert any("4 groups, p0, p1, p2, p3" in warning for warning in report["warnings"])


def test_two_large_groups_are_divided(tmp_path: Path) -> None:
    files = of_classes("a", "b")
    for groups, code in ((2, None), (1, "empty_part")):
        rows = [f"{name},{name[0]},p{number % groups}" for number, name in enumerate(files)]
        table = "\n".join(["file,label,patient", *rows]).encode()
        source = zipped(tmp_path / "a.zip", {"labels.csv": table} | files)
        if code is None:
            facts = here(source, tmp_path / "ds", parts={"group": "patient"}).facts
            assert (facts["train_images"], facts["test_images"]) == (10, 10)
        else:
            assert refused(source, tmp_path / "no", parts={"group": "patient"}).code == code


def test_a_class_without_training_pictures_is_refused(tmp_path: Path) -> None:
    files = {f"train/{name}": each for name, each in of_classes("a", "b").items()}
    files |= {f"test/{name}": each for name, each in of_classes("a", "b", "c").items()}
    source = zipped(tmp_path / "a.zip", files)
    assert refused(source, tmp_path / "ds").code == "untrained_class"


def test_deduplication_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    files = {f"{part}/{name}": each for part in ("train", "test") for name, each in PETS.items()}
    source = zipped(tmp_path / "a.zip", files)
    assert here(source, tmp_path / "ds").report["duplicates"]["across_count"] == 20
    assert refused(source, tmp_path / "no", deduplicate=True).code == "empty_part"


def test_the_same_picture_in_two_classes_is_warned_of(tmp_path: Path) -> None:
    files = PETS | {"b/copy.png": PETS["a/1.png"]}
    report = here(zipped(tmp_path / "a.zip", files), tmp_path / "ds").report
    assert any(warning.startswith("2 pictures") for warning in report["warnings"])


def test_more_than_256_classes_take_labels_of_16_bits(tmp_path: Path) -> None:
    files = {f"{n}/{k}.png": encoded(picture(n, k, 8)) for n in range(300) for k in range(2)}
    done = here(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    labels = loaded(tmp_path / "ds").train_labels
    assert labels.dtype == np.uint16
    assert labels.tolist() == list(range(300))
    assert len(done.report["classes"][299]["examples"]) == 1


def test_moments_are_those_of_the_training_part(tmp_path: Path) -> None:
    """Also of a channel with one value only, whose deviation would divide by zero."""
    files: Files = {}
    for number in range(20):
        pixels = np.array(picture(number, 0))
        pixels[:, :, 1] = 77
        files[f"{number % 2}/{number}.png"] = encoded(Image.fromarray(pixels))
    here(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    made = loaded(tmp_path / "ds")
    assert made.description.mean == pytest.approx(made.train_images.mean((0, 2, 3)) / 255)
    red, _, blue = made.train_images.std((0, 2, 3)) / 255
    assert made.description.std == pytest.approx([red, 1.0, blue])
