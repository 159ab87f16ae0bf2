"""A person's own pictures, from a folder to predictions, through the real service."""

import io
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from app.client import Client, Problem, Refused
from app.local import Service
from tests.waiting import ended

COLOURS = {"red & warm": (200, 60, 40), "grün": (60, 180, 70), "blau": (50, 70, 200)}
OF_EACH = 40


def picture(colour: tuple[int, int, int], chance: np.random.Generator, side: int) -> Image.Image:
    noise = chance.normal(colour, 40, (side, side, 3)).clip(0, 255)
    return Image.fromarray(noise.astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three colours, some forty noisy pictures of each, of several sizes."""
    folder = tmp_path_factory.mktemp("colours")
    chance = np.random.default_rng(1)
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for number in range(OF_EACH):
            picture(colour, chance, 16 + number % 3).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def dataset(service: Service, folder: Path) -> dict[str, Any]:
    with Client(service.url) as client:
        return client.datasets.add("colours", folder, image={"size": 16})


def spec(**dataset: Any) -> dict[str, Any]:
    return {
        "dataset": {"name": "colours", **dataset},
        "model": {"hidden": [16]},
        "training": {"epochs": 8, "batch_size": 8, "log_every": 5},
    }


def test_a_folder_becomes_a_served_model(client: Client, dataset: dict[str, Any]) -> None:
    assert dataset["facts"] == {
        "id": dataset["id"],
        "version": 1,
        "kind": "image",
        "input_shape": [3, 16, 16],
        "classes": 3,
        "train_images": 96,
        "test_images": 24,
        "validation_images": 0,
        "duplicates": 0,
        "revealing": [],
        "sha256": dataset["facts"]["sha256"],
    }
    report = client.datasets.report("colours")
    assert [each["name"] for each in report["classes"]] == sorted(COLOURS)
    job = ended(client, client.submit(spec(augment={"shift": 1})))
    assert job["status"] == "succeeded", job["failure"]
    assert job["spec"]["dataset"]["facts"] == dataset["facts"]
    assert job["metrics"]["test_accuracy"] == 1.0
    model = client.model(job["model"])
    assert model["classes"] == sorted(COLOURS)
    assert model["provenance"]["dataset_sha256"] == dataset["facts"]["sha256"]
    for name, colour in COLOURS.items():
        file = io.BytesIO()
        picture(colour, np.random.default_rng(2), 300).save(file, "JPEG")
        answer = client._http.post(
            "/predict", content=file.getvalue(), headers={"Content-Type": "image/jpeg"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"][0]["label"] == name


def test_arrays_that_are_lost_are_made_again_from_the_file(
    client: Client, service: Service, dataset: dict[str, Any]
) -> None:
    weights = []
    for lose in (False, True):
        if lose:
            shutil.rmtree(service.settings.home / "datasets" / dataset["id"])
        job = ended(client, client.submit(spec()))
        assert job["status"] == "succeeded", job["failure"]
        weights.append(client.model(job["model"])["weights_sha256"])
    assert weights[0] == weights[1]


def test_a_dataset_whose_arrays_and_file_are_gone_fails_its_job_with_advice(
    client: Client, service: Service, folder: Path
) -> None:
    lost = client.datasets.add("lost", folder, image={"size": 8})
    shutil.rmtree(service.settings.home / "datasets" / lost["id"])
    digest = lost["content"]["sha256"]
    (service.settings.home / "objects" / "sha256" / digest[:2] / digest).unlink()
    job = ended(client, client.submit({"dataset": {"name": "lost"}}))
    assert job["failure"]["code"] == "dataset_unavailable"
    assert "backup" in job["failure"]["advice"]


def test_a_version_that_a_job_names_stays_its_own(
    client: Client, dataset: dict[str, Any], folder: Path
) -> None:
    second = client.datasets.add("colours", folder, image={"size": 8})
    assert second["version"] == 2
    newest = client.validate(spec())
    assert newest["spec"]["dataset"]["facts"]["id"] == second["id"]
    first = client.validate(spec(name="colours@1"))
    assert first["spec"]["dataset"]["facts"]["id"] == dataset["id"]
    client.datasets.delete("colours@2")
    with pytest.raises(Problem) as refused:
        client.validate(spec(name="colours@2"))
    assert refused.value.errors[0]["pointer"] == "/dataset/name"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\0" * 1000, "unknown_format"), (b"PK\3\4" + b"\0" * 100, None)],
)
def test_a_file_that_cannot_be_used_is_refused(
    client: Client, tmp_path: Path, content: bytes, code: str | None
) -> None:
    (tmp_path / "cats.zip").write_bytes(content)
    with pytest.raises(Refused) as refused:
        client.datasets.add("broken", tmp_path / "cats.zip")
    assert code in (None, refused.value.dataset["refusal"]["code"])
    with pytest.raises(Problem, match="broken"):
        client.submit({"dataset": {"name": "broken"}})


def test_an_import_that_is_killed_again_and_again_gives_the_same(
    client: Client,
    service: Service,
    dataset: dict[str, Any],
    folder: Path,
    chances: tuple[random.Random, int],
) -> None:
    chance, kills = chances
    worker = psutil.Process(service.processes["worker"].pid)
    archive = shutil.make_archive(str(folder), "zip", folder)

    def importing() -> psutil.Process | None:
        for child in worker.children():
            with suppress(psutil.Error):  # it has just ended
                if "worker.imports" in child.cmdline():
                    return child
        return None

    while True:
        made = client.datasets.make("colours", image={"size": 16})["id"]
        client.datasets.send(made, Path(archive))
        while (found := settled(client, made)) is None:
            if kills and (process := importing()):
                try:
                    process.wait(chance.random() * 0.5)
                except psutil.TimeoutExpired:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                        kills -= 1
        if found["status"] == "refused":
            assert found["refusal"]["code"] == "import_lost"
            client.datasets.retry(made)
            found = client.datasets.imported(made)
        assert found["facts"]["sha256"] == dataset["facts"]["sha256"]
        client.datasets.delete(made)
        if not kills:
            return


@pytest.fixture
def chances(seed: int, repeated: Callable[[int], int]) -> tuple[random.Random, int]:
    """Where an import is killed, and how often."""
    return random.Random(seed), repeated(20)


def settled(client: Client, dataset_id: str) -> dict[str, Any] | None:
    found = client.datasets.get(dataset_id)
    return found if found["status"] in ("ready", "refused") else None
