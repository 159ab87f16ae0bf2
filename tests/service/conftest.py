"""The API as a real process on a real database file, without a worker: tests play the worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sqlalchemy import func, select, update

from app.client import Client
from app.local import Service
from app.store import database, tables
from app.store.database import Database
from app.store.leases import Lease
from app.store.trained_models import TrainedModel
from tests import databases, runs
from tests.service import measured

MAX_BODY_BYTES = 2 * 2**20


@dataclass(frozen=True)
class Api:
    """A running API, a client of it, and its database."""

    http: httpx.Client
    database: Database
    service: Service

    @property
    def home(self) -> Path:
        return self.service.settings.home

    def rows(self) -> dict[str, int]:
        """How many jobs, events and models are stored: what a refused request must not change."""
        with self.database.read() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (tables.jobs, tables.events, tables.models)
            }

    def submit(self, spec: dict[str, Any] | None = None) -> str:
        answer = self.http.post("/jobs", json=spec or {})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def start(self, job_id: str) -> Lease:
        """Takes this very job, as a worker would take the oldest."""
        with self.database.write() as connection:
            connection.execute(
                update(tables.jobs)
                .where(tables.jobs.c.id == job_id)
                .values(status="running", attempt=1, started_at=database.now(connection))
            )
            return Lease(job_id, 1)

    def publish(self, shift: int = 0, shape: tuple[int, int, int] = (1, 28, 28)) -> str:
        """A model that says which of ten bands of rows is bright, plus `shift`."""
        lease = self.start(self.submit())
        with self.database.write() as connection:
            return runs.succeed(connection, lease, banded_model(shift, shape))


@contextmanager
def serving(home: Path, **settings: Any) -> Iterator[Api]:
    """An API of its own on the database in `home`; several may share one."""
    given = {"max_body_bytes": MAX_BODY_BYTES} | settings
    service = Service(databases.settings(home, **given))
    opened = database.connect(service.settings.database)
    try:
        service.start("app")
        with httpx.Client(base_url=service.url, timeout=30) as http:
            yield Api(http, opened, service)
    finally:
        service.stop()
        opened.close()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    """A client of the file's `service`, with all its processes up; it leaves no job."""
    service.start(*(name for name, each in service.processes.items() if each.poll() is not None))
    with Client(service.url) as client:
        yield client
        # The waiting ones first: one that starts in between is found among the running.
        for job in client.jobs(status="queued") + client.jobs(status="running"):
            client.cancel(job["id"])


def banded_model(shift: int = 0, shape: tuple[int, int, int] = (1, 28, 28)) -> TrainedModel:
    brightest = 255.0 if shape[1] == 28 else 16.0
    graph = banded_graph(shift, shape, brightest)
    return TrainedModel(
        signature={
            "input_shape": list(shape),
            "pixel_range": [0, brightest],
            "classes": [f"class {index}" for index in range(10)],
        },
        metrics={"test_loss": 0.1, "test_accuracy": 0.9, "confusion_matrix": [[1, 0], [0, 1]]},
        provenance={"torch": "none", "dataset_sha256": "0" * 64},
        weights_sha256=sha256(graph).hexdigest(),
        files={"weights": b"weights " + graph[:64], "onnx": graph}
        | measured.files(wrong=10, shape=shape),
    )


def banded_graph(shift: int, shape: tuple[int, int, int], brightest: float) -> bytes:
    channels, height, width = shape
    weights = np.zeros((channels * height * width, 10), np.float32)
    rows = np.arange(channels * height * width) // width % height
    weights[np.arange(len(rows)), (rows * 10 // height + shift) % 10] = 0.1 / brightest
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "banded",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def band(index: int, shape: tuple[int, int] = (28, 28), brightest: int = 255) -> Any:
    """An image whose band `index` of ten is bright: nested lists of pixels."""
    rows = np.arange(shape[0]) * 10 // shape[0]
    return (np.outer(rows == index, np.ones(shape[1])) * brightest).astype(int).tolist()


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer that must be this one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, document
    assert document["status"] == status
    assert document["type"] == f"urn:traind:problem:{code}"
    assert document["title"]
    assert document["detail"]
    return document
