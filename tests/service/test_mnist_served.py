"""A network trained on the real MNIST, asked in every way that the service has."""

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import onnxruntime
import pytest
import tritonclient.http as triton
from PIL import Image

from app.client import Client
from app.local import running
from tests import databases
from tests.strokes import drawn, on_table, scanned
from worker.training.dataset import Dataset

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
DRAWN: dict[str, dict[str, Any]] = {
    "black on white": {},
    "white on black": {"ink": WHITE, "ground": BLACK},
    "thick": {"pen": 0.2},
    "thin": {"pen": 0.02},
    "small": {"size": 0.2},
    "off centre": {"centre": (0.25, 0.7), "size": 0.4},
    "coloured": {"ink": (200, 30, 40), "ground": (250, 230, 120)},
    "transparent": {"ink": (20, 20, 20, 255), "ground": (0, 0, 0, 0)},
    "JPEG": {"side": 400},
}
EACH = 3
"""How often each digit is drawn in each way."""


class Trained(NamedTuple):
    """A service with one model, and the test images."""

    http: httpx.Client
    url: str
    model: dict[str, Any]
    images: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]

    def answered(self, content: bytes, **query: str) -> list[dict[str, Any]]:
        headers = {"Content-Type": "application/octet-stream"}
        answer = self.http.post("/predict", params=query, content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        predictions: list[dict[str, Any]] = answer.json()["predictions"]
        return predictions


@pytest.fixture(scope="module")
def raw(trained: Trained) -> np.ndarray[Any, Any]:
    """The probabilities of every test image, from raw pixels, a thousand a request."""
    batches = trained.images.reshape(10, 1000, 784)
    return np.array(
        [each["probabilities"] for batch in batches for each in trained.answered(batch.tobytes())]
    )


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, mnist: Dataset, mnist_source: Path
) -> Iterator[Trained]:
    home = tmp_path_factory.mktemp("mnist")
    with running(databases.settings(home, datasets=mnist_source)) as service:
        with Client(service.url) as client:
            job = client.submit({"preset": "mnist-fast"})
            while job["status"] in {"queued", "running"}:
                job = client.job(job["id"], wait=30)
            assert job["status"] == "succeeded", job["failure"]
            images, labels = np.array(mnist.test_images), np.array(mnist.test_labels)
            model = client.model("latest")
        with httpx.Client(base_url=service.url, timeout=60) as http:
            yield Trained(http, service.url, model, images, labels)


def test_accuracy_through_http_is_that_of_the_record(
    trained: Trained, raw: np.ndarray[Any, Any]
) -> None:
    right = raw.argmax(1) == trained.labels
    assert right.mean() == trained.model["metrics"]["test_accuracy"]
    assert right.mean() > 0.975


def test_json_and_raw_pixels_give_the_same_answers(
    trained: Trained, raw: np.ndarray[Any, Any]
) -> None:
    for begin in range(0, 2000, 500):
        pixels = trained.images[begin : begin + 500].reshape(500, 784)
        answer = trained.http.post("/predict", json={"inputs": pixels.tolist()}).json()
        said = [each["probabilities"] for each in answer["predictions"]]
        np.testing.assert_allclose(said, raw[begin : begin + 500], atol=1e-6)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
def test_tritonclient_gets_the_same_answers(
    trained: Trained, raw: np.ndarray[Any, Any], binary: bool
) -> None:
    with triton.InferenceServerClient(trained.url.removeprefix("http://")) as client:
        for begin in range(0, 2000, 500):
            images = trained.images[begin : begin + 500].astype(np.float32)
            pixels = triton.InferInput("pixels", list(images.shape), "FP32")
            pixels.set_data_from_numpy(images, binary_data=binary)
            wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary)]
            said = client.infer("latest", [pixels], outputs=wanted).as_numpy("probabilities")
            np.testing.assert_allclose(said, raw[begin : begin + 500], atol=1e-6)


def test_the_downloaded_graph_gives_the_same_answers_elsewhere(
    trained: Trained, raw: np.ndarray[Any, Any]
) -> None:
    graph = trained.http.get("/models/latest/onnx").content
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {"pixels": trained.images.astype(np.float32)})
    np.testing.assert_allclose(said, raw, atol=1e-6)


def test_image_files_of_mnist_are_left_as_they_are(
    trained: Trained, raw: np.ndarray[Any, Any]
) -> None:
    for number in range(0, 10_000, 100):
        buffer = io.BytesIO()
        Image.fromarray(trained.images[number, 0]).save(buffer, "PNG")
        png = {"Content-Type": "image/png"}
        answer = trained.http.post("/predict", content=buffer.getvalue(), headers=png)
        (said,) = answer.json()["predictions"]
        np.testing.assert_allclose(said["probabilities"], raw[number], atol=1e-6)


def test_drawn_digits_are_classified(
    trained: Trained, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shares: dict[str, dict[str, float]] = {"auto": {}, "none": {}}
    random = np.random.default_rng(seed)
    for how, options in DRAWN.items():
        kind = "JPEG" if how == "JPEG" else "PNG"
        right: Counter[str] = Counter()
        for digit in [*range(10)] * EACH:
            buffer = io.BytesIO()
            drawn(digit, random, **options).save(buffer, kind, compress_level=1)
            for preprocess in shares:
                answer = trained.http.post(
                    "/predict",
                    params={"preprocess": preprocess},
                    content=buffer.getvalue(),
                    headers={"Content-Type": f"image/{kind.lower()}"},
                )
                right[preprocess] += answer.json()["predictions"][0]["label"] == str(digit)
        for preprocess, share in shares.items():
            share[how] = right[preprocess] / (10 * EACH)
    with capsys.disabled():
        print(f"\ndrawn digits, seed {seed}: classified rightly with and without preprocessing")
        for how in DRAWN:
            print(f"  {how:15} {shares['auto'][how]:7.1%} {shares['none'][how]:7.1%}")
    for how in DRAWN:
        assert shares["auto"][how] >= 0.9, how
    assert np.mean(list(shares["auto"].values())) >= 0.97
    assert np.mean(list(shares["none"].values())) < 0.5


def test_digits_on_a_scan_with_a_black_frame_or_on_a_dark_table_are_classified(
    trained: Trained, seed: int
) -> None:
    random = np.random.default_rng(seed)
    for make in (scanned, on_table):
        correct = 0
        for digit in [*range(10)] * EACH:
            buffer = io.BytesIO()
            make(digit, random).save(buffer, "JPEG")
            jpeg = {"Content-Type": "image/jpeg"}
            answer = trained.http.post("/predict", content=buffer.getvalue(), headers=jpeg)
            (said,) = answer.json()["predictions"]
            assert "dark_frame" in [each["code"] for each in said.get("warnings", [])]
            correct += said["label"] == str(digit)
        assert correct >= 0.85 * 10 * EACH, make.__name__
