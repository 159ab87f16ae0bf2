"""Networks on a backbone, from its weights' file to predictions, through the real service."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from app.cli import app
from app.client import Client, Problem
from app.local import Service, running
from app.settings import Settings
from tests import databases
from tests.unit.training import pretrained
from tests.waiting import ended

JOB: dict[str, Any] = {
    "dataset": {"name": "digits", "limit": 200},
    "model": {"kind": "pretrained"},
    "training": {"epochs": 20, "batch_size": 20, "optimizer": {"name": "adam", "lr": 0.01}},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained.published(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Service]:
    """With a folder for backbones of its own, and the weights in it."""
    homes = tmp_path_factory.mktemp("homes")
    settings = databases.settings(homes / "home", backbones=homes / "backbones")
    put(weights, settings)
    with running(settings) as service:
        yield service


def put(file: Path, settings: Settings) -> str:
    """As an operator does it; what the command prints."""
    environment = {"TRAIND_HOME": str(settings.home), "TRAIND_BACKBONES": str(settings.backbones)}
    done = CliRunner().invoke(app, ["backbone", "resnet18", str(file)], env=environment)
    assert done.exit_code == 0, done.output
    return done.output


def finished(client: Client, **sections: Any) -> dict[str, Any]:
    job = ended(client, client.submit(JOB | sections))
    assert job["status"] == "succeeded", job["failure"]
    return job


def computed(client: Client, job: dict[str, Any]) -> list[str]:
    events = client._http.get(f"/jobs/{job['id']}/events").json()["data"]
    return [event["message"] for event in events if "the backbone makes" in event["message"]]


def test_a_backbone_becomes_a_served_model(client: Client, digits: Any) -> None:
    job = finished(client)
    assert job["metrics"]["test_accuracy"] > 0.6  # its backbone has never seen a picture
    assert len(computed(client, job)) == 3
    model = client.model(job["model"])
    assert len(model["provenance"]["backbone_sha256"]) == 64
    right = 0
    for image, label in zip(digits.test_images[:50], digits.test_labels[:50], strict=True):
        file = io.BytesIO()
        pixels = (image[0].astype(np.float32) * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        answer = client._http.post(
            "/predict", content=file.getvalue(), headers={"Content-Type": "image/png"}
        )
        assert answer.status_code == 200, answer.text
        right += answer.json()["predictions"][0]["label"] == str(label)
    assert right > 20


def test_the_next_job_finds_what_was_computed(client: Client) -> None:
    first, second = finished(client), finished(client)
    assert computed(client, second) == []
    weights = [client.model(job["model"])["weights_sha256"] for job in (first, second)]
    assert weights[0] == weights[1]


def test_without_the_weights_it_is_refused_with_where_to_get_them(
    client: Client, service: Service, weights: Path
) -> None:
    before = finished(client)["id"]
    file = service.settings.backbone_files / "resnet18.safetensors"
    file.unlink()
    count = len(client.jobs())
    for send, place in (
        (lambda: client.submit(JOB), ""),
        (lambda: client.validate(JOB), ""),
        (lambda: client.retry(before, "start"), "/patch"),
        (lambda: client.test_rates(before), ""),
    ):
        with pytest.raises(Problem) as refused:
            send()
        (error,) = refused.value.errors
        assert error["pointer"] == f"{place}/model/backbone"
        assert error["detail"].startswith("the weights of resnet18 are missing")
        assert "https://download.pytorch.org/models/resnet18-" in error["detail"]
    assert len(client.jobs()) == count
    assert str(file) in put(weights, service.settings)
    finished(client)


def test_weights_that_are_lost_before_a_job_runs_fail_it_with_advice(
    client: Client, service: Service, weights: Path
) -> None:
    worker = service.processes["worker"]
    worker.terminate()
    worker.wait()
    waiting = client.submit(JOB)
    (service.settings.backbone_files / "resnet18.safetensors").unlink()
    service.start("worker")
    lost = ended(client, waiting)
    assert lost["failure"]["code"] == "backbone_unavailable"
    assert "traind backbone resnet18 FILE" in lost["failure"]["advice"]
    put(weights, service.settings)


def test_a_file_that_holds_something_else_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(b"no weights")
    environment = {"TRAIND_HOME": str(tmp_path / "home")}
    done = CliRunner().invoke(app, ["backbone", "resnet18", str(file)], env=environment)
    assert done.exit_code == 1
    assert done.output.strip().count("\n") <= 1, done.output
    assert not (tmp_path / "home").exists()
