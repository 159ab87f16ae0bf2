"""The same pictures give the same arrays, whatever file they come in."""

import gzip
import io
import os
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.images.preparation import Preparation
from tests.unit.imports.pictures import (
    Files,
    as_parquet,
    encoded,
    imported,
    loaded,
    of_classes,
    picture,
    pixels_of,
    tarred,
    zipped,
)

PETS = of_classes("cat & co", "dog")


def shuffled(files: Files) -> Files:
    names = list(files)
    random.Random(1).shuffle(names)
    return {name: files[name] for name in names}


def npz(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_every_container_gives_equal_arrays(tmp_path: Path) -> None:
    table = "\n".join(f"{name.replace('/', '-')},{name.split('/')[0]}" for name in PETS)
    described = {name.replace("/", "-"): content for name, content in PETS.items()}
    images = np.stack([pixels_of(content) for content in PETS.values()])
    labels = np.array([name.split("/")[0] for name in PETS])
    containers = [
        zipped(tmp_path / "a.zip", PETS),
        zipped(tmp_path / "b.zip", shuffled({f"x/y/{name}": PETS[name] for name in PETS})),
        tarred(tmp_path / "a.tar", PETS, "w"),
        tarred(tmp_path / "a.tar.gz", {f"./{name}": PETS[name] for name in PETS}),
        tarred(tmp_path / "a.tar.xz", shuffled(PETS), "w:xz"),
        as_parquet(tmp_path / "a.parquet", PETS),
        as_parquet(tmp_path / "b.parquet", shuffled(PETS), numbers=False),
        npz(tmp_path / "a.npz", images=images, labels=labels),
        npz(tmp_path / "b.npz", images=images.transpose(0, 3, 1, 2), labels=labels[:, None]),
        zipped(
            tmp_path / "t.zip", {"metadata.csv": f"file_name,label\n{table}".encode()} | described
        ),
    ]
    done = [imported(each, tmp_path / f"ds_{each.name}") for each in containers]
    assert done[0].facts == {
        "input_shape": [3, 16, 16],
        "classes": 2,
        "train_images": 16,
        "validation_images": 0,
        "test_images": 4,
        "duplicates": 0,
        "sha256": done[0].facts["sha256"],
    }
    for container, each in zip(containers, done, strict=True):
        assert each.facts == done[0].facts, container
    dataset = loaded(tmp_path / "ds_a.zip")
    assert dataset.description.classes == ["cat & co", "dog"]
    assert list(dataset.test_labels) == [0, 0, 1, 1]
    known = {pixels_of(content).transpose(2, 0, 1).tobytes() for content in PETS.values()}
    assert {image.tobytes() for image in dataset.train_images} < known
    assert np.allclose(dataset.description.mean, dataset.train_images.mean((0, 2, 3)) / 255)
    assert np.allclose(dataset.description.std, dataset.train_images.std((0, 2, 3)) / 255)


def test_parts_that_a_file_gives_count(tmp_path: Path) -> None:
    files = of_classes("cat", "dog")
    given = {
        ("train", "valid", "Test")[number % 3] + f"/{name}": content
        for number, (name, content) in enumerate(files.items())
    }
    rows = [
        f"p/{number}.png;{name.split('/')[1]};{name.split('/')[0]}"
        for number, name in enumerate(given)
    ]
    table = {"labels.csv": "\n".join(["file;label;split", *rows]).encode("latin-1")}
    described = {f"p/{number}.png": content for number, content in enumerate(given.values())}
    done = [
        imported(zipped(tmp_path / "a.zip", given), tmp_path / "a"),
        imported(zipped(tmp_path / "b.zip", table | described), tmp_path / "b"),
    ]
    assert done[0].facts == done[1].facts
    counts = [done[0].facts[f"{part}_images"] for part in ("train", "validation", "test")]
    assert counts == [7, 7, 6]
    dataset = loaded(tmp_path / "a")
    assert len(dataset.validation_images) == 7


def test_idx_files_are_read(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    files: Files = {}
    for part, count in (("train", 40), ("t10k", 12)):
        images = chance.integers(0, 256, (count, 9, 8), np.uint8)
        labels = (np.arange(count) % 3).astype(np.uint8)
        files[f"raw/{part}-images-idx3-ubyte"] = struct.pack(">IIII", 2051, *images.shape) + bytes(
            images
        )
        packed = gzip.compress(struct.pack(">II", 2049, count) + bytes(labels))
        files[f"raw/{part}-labels-idx1-ubyte.gz"] = packed
    done = imported(zipped(tmp_path / "m.zip", files), tmp_path / "ds", image={"size": [9, 8]})
    assert done.facts["input_shape"] == [1, 9, 8]
    assert (done.facts["train_images"], done.facts["test_images"]) == (40, 12)
    assert done.report["format"] == "IDX"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_kind_of_picture_is_read(tmp_path: Path, kind: str) -> None:
    files = {f"{hue}/{n}": encoded(picture(n, hue), kind) for hue in (0, 1) for n in range(8)}
    done = imported(zipped(tmp_path / "a.zip", files), tmp_path / "ds")
    assert done.report["left_out"]["count"] == 0
    assert done.facts["train_images"] == 12


def test_pictures_are_prepared_as_for_predictions(tmp_path: Path) -> None:
    """Turned upright, laid on the ground, brought to the size: one code for both."""
    exif = Image.Exif()
    exif[0x0112] = 6
    files: Files = {}
    for number in range(12):
        wide = picture(number, number % 2, 40).crop((0, 0, 40, 20 + number))
        if number % 3 == 0:
            wide.putalpha(Image.linear_gradient("L").resize(wide.size))
        kind = "PNG" if number % 3 == 0 else "JPEG"
        files[f"{number % 2}/{number}"] = encoded(
            wide, kind, **({} if kind == "PNG" else {"exif": exif})
        )
    options = {"size": [24, 16], "fit": "pad", "ground": "#ff8000"}
    imported(zipped(tmp_path / "a.zip", files), tmp_path / "ds", image=options)
    dataset = loaded(tmp_path / "ds")
    preparation = Preparation.from_json(dataset.description.preparation or {})
    assert preparation == Preparation("pad", (255, 128, 0))
    made = {bytes(image) for image in [*dataset.train_images, *dataset.test_images]}
    for content in files.values():
        alone = preparation.prepare(Image.open(io.BytesIO(content)), (3, 24, 16))
        assert bytes(alone) in made


def test_size_and_colours_are_chosen_and_said(tmp_path: Path) -> None:
    files = of_classes("a", "b", side=45)
    grey = {
        name: encoded(Image.open(io.BytesIO(each)).convert("L")) for name, each in files.items()
    }
    large = of_classes("a", "b", each=6, side=300)
    for name, (content, shape) in {
        "colour": (files, [3, 44, 44]),
        "grey": (grey, [1, 44, 44]),
        "large": (large, [3, 224, 224]),
    }.items():
        done = imported(zipped(tmp_path / f"{name}.zip", content), tmp_path / name)
        assert done.facts["input_shape"] == shape
        assert (done.report["size_was"], done.report["color_was"]) == ("chosen", "found")
    declared = {"size": 8, "color": "grey"}
    done = imported(tmp_path / "colour.zip", tmp_path / "declared", image=declared)
    assert done.facts["input_shape"] == [1, 8, 8]
    assert (done.report["size_was"], done.report["color_was"]) == ("declared", "declared")


def test_real_pictures(tmp_path: Path) -> None:
    beside = Path(__file__).parents[4] / "shared" / "data"
    source = Path(os.environ.get("TRAIND_DATASETS", beside)) / "emoji" / "emoji-32.zip"
    if not source.exists():
        pytest.skip("the emoji are not here: set TRAIND_DATASETS to a folder that holds emoji")
    done = imported(source, tmp_path / "ds")
    assert done.facts["input_shape"] == [3, 32, 32]
    assert (done.facts["train_images"], done.facts["test_images"]) == (1500, 406)
    assert [each["name"] for each in done.report["classes"]][:2] == [
        "Activities",
        "Animals & Nature",
    ]
    pairs = {(each["train"], each["test"]) for each in done.report["duplicates"]["across"]}
    assert ("train/Flags/flag-no.png", "test/Flags/flag-sj.png") in pairs  # the same flag
