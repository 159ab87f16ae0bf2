"""Corrected examples: added to the training part of a dataset, whose test part stays as it was."""

import io
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.client import Client, Refused
from app.local import Service
from tests.service.conftest import Api, problem_of
from tests.waiting import ended

PNG = {"Content-Type": "image/png"}
QUICK = {"epochs": 2, "batch_size": 32, "log_every": 100, "optimizer": {"lr": 0.02}}


def packed(folder: Path, pictures: dict[str, Image.Image]) -> Path:
    """A tar of these pictures by their names."""
    path = folder / "more.tar"
    with tarfile.open(path, "w") as tar:
        for name, picture in pictures.items():
            file = io.BytesIO()
            picture.save(file, "PNG")
            entry = tarfile.TarInfo(name)
            entry.size = file.tell()
            tar.addfile(entry, io.BytesIO(file.getvalue()))
    return path


def digit(number: int) -> Image.Image:
    """A grey picture of 8 x 8 pixels, from 0 to 255."""
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
    pixels[0, :2] = 0, 255
    return Image.fromarray(pixels)


def arrays(service: Service, name: str) -> dict[str, Any]:
    folder = service.settings.home / "datasets" / name
    return {file.stem: np.load(file) for file in folder.glob("*.npy")}


@pytest.fixture
def more(client: Client, tmp_path: Path) -> dict[str, Any]:
    """Two digits, added to scikit-learn's."""
    path = packed(tmp_path, {"3/a.png": digit(1), "7/b.png": digit(2)})
    return client.datasets.add("more-digits", path, base="digits")


def test_the_training_part_grows_and_the_others_stay(
    service: Service, more: dict[str, Any]
) -> None:
    assert more["options"]["base"] == "digits"
    facts = more["facts"]
    assert (facts["train_images"], facts["test_images"]) == (1439, 360)
    assert facts["input_shape"] == [1, 8, 8]
    base, own = arrays(service, "digits"), arrays(service, more["id"])
    assert np.array_equal(own["train_images"][:1437], base["train_images"])
    assert np.array_equal(own["train_labels"][:1437], base["train_labels"])
    for name in ("test_images", "test_labels"):
        assert np.array_equal(own[name], base[name])
    assert own["train_labels"][1437:].tolist() == [3, 7]
    wanted = np.rint(np.asarray(digit(1)) * (16 / 255))  # the digits' pixels run from 0 to 16
    assert np.array_equal(own["train_images"][1437, 0], wanted)


def test_a_model_of_it_is_compared_with_one_of_the_base(
    client: Client, more: dict[str, Any]
) -> None:
    models = [
        ended(client, client.submit({"dataset": {"name": name}, "training": QUICK}))["model"]
        for name in ("digits", more["name"])
    ]
    found = client.compare(*models)
    assert found["images"] == 360
    first, second = (client.model(each) for each in models)
    for name in ("input_shape", "pixel_range", "classes", "preparation"):
        assert first[name] == second[name]
    drawing = Image.new("L", (100, 100), 255)  # dark on light: it is read as MNIST was made
    drawing.paste(0, (45, 10, 55, 90))
    file = io.BytesIO()
    drawing.save(file, "PNG")
    seen = [
        client._http.post(f"/models/{each}/input", content=file.getvalue(), headers=PNG).content
        for each in models
    ]
    assert seen[0] == seen[1]
    assert np.asarray(Image.open(io.BytesIO(seen[1])))[4].tolist() != [255] * 8
    assert client.predict([np.zeros((8, 8)).tolist()], models[1])


def test_lost_arrays_are_made_again_from_the_base(
    client: Client, service: Service, more: dict[str, Any], tmp_path: Path
) -> None:
    path = packed(tmp_path, {"1/c.png": digit(3)})
    third = client.datasets.add("third", path, base=f"more-digits@{more['version']}")
    assert third["facts"]["train_images"] == 1440
    for name in (third["id"], more["id"]):
        shutil.rmtree(service.settings.home / "datasets" / name)
    job = ended(client, client.submit({"dataset": {"name": "third"}, "training": QUICK}))
    assert job["status"] == "succeeded", job["failure"]
    other = ended(client, client.submit({"dataset": {"name": "digits"}, "training": QUICK}))
    assert client.compare(other["model"], job["model"])["images"] == 360  # the first base counts


def test_colours_are_prepared_as_the_base_was(client: Client, tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    colours = {
        f"{name}/{number}.png": Image.fromarray(
            chance.normal(middle, 20, (20, 20, 3)).clip(0, 255).astype(np.uint8)
        )
        for name, middle in (("dark", 60), ("light", 200))
        for number in range(20)
    }
    path = packed(tmp_path, colours)
    base = client.datasets.add("shades", path, image={"size": 16, "fit": "pad"})
    large = Image.fromarray(np.full((300, 200, 3), 30, np.uint8))
    added = client.datasets.add("shades", packed(tmp_path, {"dark/x.png": large}), base="shades")
    assert added["version"] == base["version"] + 1
    assert added["options"]["base"] == f"shades@{base['version']}"
    assert added["facts"]["train_images"] == base["facts"]["train_images"] + 1
    report = client.datasets.report("shades")
    assert (report["size"], report["fit"]) == ([16, 16], "pad")
    dark = next(each for each in report["classes"] if each["name"] == "dark")
    assert dark["train"] == 17  # 16 of 20, and the new one


@pytest.fixture
def deleted(client: Client, tmp_path: Path) -> str:
    path = packed(tmp_path, {"0/a.png": digit(4)})
    return str(client.datasets.add("gone", path, base="digits")["id"])


def test_what_cannot_be_added_is_refused_with_what_to_do(
    client: Client, tmp_path: Path, deleted: str
) -> None:
    for name, fault, told in [
        ("eleven/a.png", "unknown_class", "0, 1, 2"),
        ("a.png", "no_pictures", "folder"),
    ]:
        with pytest.raises(Refused) as refused:
            client.datasets.add("wrong", packed(tmp_path, {name: digit(1)}), base="digits")
        assert refused.value.dataset["refusal"]["code"] == fault
        assert told in str(refused.value)
    late = client._http.post("/datasets", json={"name": "late", "base": "gone"}).json()["id"]
    answer = client._http.delete(f"/datasets/{deleted}")
    assert "late@1" in problem_of(answer, 409, "dataset_in_use")["detail"]
    file = packed(tmp_path, {"eleven/a.png": digit(5)}).read_bytes()
    client._http.put(f"/datasets/{late}/content", content=file)
    refused = client._http.get(f"/datasets/{late}", params={"wait": 60}).json()
    assert refused["refusal"]["code"] == "unknown_class"
    assert client._http.delete(f"/datasets/{deleted}").status_code == 204
    client._http.post(f"/datasets/{late}/retry")
    late = client._http.get(f"/datasets/{late}", params={"wait": 60}).json()
    assert late["refusal"]["code"] == "base_unavailable"
    assert "gone@1" in late["refusal"]["message"]


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"base": "nobody"}, "/base"),
        ({"base": "breast-cancer"}, "/base"),
        ({"base": "digits", "image": {"size": 16}}, "/image/size"),
        ({"base": "digits", "image": {"color": "rgb"}}, "/image/color"),
        ({"base": "digits", "parts": {"seed": 1}}, "/parts"),
        ({"base": "digits", "deduplicate": True}, "/deduplicate"),
        ({"base": "digits", "kind": "table"}, "/base"),
    ],
)
def test_a_base_that_does_not_fit_is_refused_before_anything_is_stored(
    api: Api, sent: dict[str, Any], pointer: str
) -> None:
    before = api.http.get("/datasets").json()["data"]
    answer = api.http.post("/datasets", json={"name": "more", **sent})
    errors = problem_of(answer, 422, "invalid_request")["errors"]
    assert [each["pointer"] for each in errors] == [pointer]
    assert api.http.get("/datasets").json()["data"] == before
