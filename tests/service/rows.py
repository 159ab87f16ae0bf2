"""A made-up model of a table, and what its graph says of rows."""

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.rows.columns import Column
from app.store.trained_models import TrainedModel
from tests import runs
from tests.service import measured
from tests.service.conftest import Api

JOB = Column("job", "category", categories=("clerk", "nurse"), has_rare=True)
AGE = Column("age", "number", mean=40, std=10, low=17, high=90)
BORN = Column("born", "date", mean=0, std=365, low=-20_000, high=20_000, has_missing=True)
COLUMNS = [JOB, AGE, BORN]
CLASSES = ["<=50K", ">50K"]
TARGET = "income"
IMPORTANCE = [
    {"name": "age", "importance": 0.21, "std": 0.02},
    {"name": "<job>", "importance": -0.003, "std": 0.001},
]
MISTAKE = {"age": "41", "<job>": "nurse", "born": None}


def table_graph(places: int = 3) -> bytes:
    """The second class is surer with age (40 is even), and by 1, 2, ... with each place of job.

    A missing number counts as its mean; a date counts where it is there, by its thousands of days.
    """
    constants: dict[str, NDArray[Any]] = {
        "means": np.array([40, 0], np.float32),
        "scales": np.array([0.1, 0.001], np.float32),
        "steps": np.arange(1, places + 1, dtype=np.float32)[:, None],
        "known": np.arange(places, dtype=np.int64)[None],
        "sum": np.ones((2, 1), np.float32),
        "away": np.array([[-0.5, 0.5]], np.float32),
    }
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["missing"]),
        helper.make_node("Where", ["missing", "means", "numbers"], ["filled"]),
        helper.make_node("Sub", ["filled", "means"], ["centred"]),
        helper.make_node("Mul", ["centred", "scales"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "sum"], ["of_numbers"]),
        helper.make_node("Equal", ["categories", "known"], ["is"]),
        helper.make_node("Cast", ["is"], ["one_hot"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["one_hot", "steps"], ["of_categories"]),
        helper.make_node("Add", ["of_numbers", "of_categories"], ["logit"]),
        helper.make_node("MatMul", ["logit", "away"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "table",
        [
            helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("categories", TensorProto.INT64, ["batch", 1]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def sure(age: float = 40, place: int = -1, day: float = 0) -> float:
    """The probability of the second class: `place` is job's, `day` born's days since 1970."""
    return float(1 / (1 + np.exp(-((age - 40) * 0.1 + day * 0.001 + place + 1))))


def table_model(columns: list[Column] = COLUMNS) -> TrainedModel:
    graph = table_graph()
    signature = {
        "input_shape": [sum(column.width for column in columns)],
        "target": TARGET,
        "columns": [column.to_json() for column in columns],
        "classes": CLASSES,
    }
    files = measured.files(wrong=10, classes=[str(number) for number in range(10)])
    return TrainedModel(
        signature=signature,
        metrics={"test_loss": 0.3, "test_accuracy": 0.9, "confusion_matrix": [[1, 0], [0, 1]]},
        provenance={"torch": "none", "dataset_sha256": "1" * 64},
        weights_sha256=sha256(graph).hexdigest(),
        files=files | {"weights": b"weights", "onnx": graph, "report": table_report(files)},
    )


def table_report(files: dict[str, bytes]) -> bytes:
    """A report as the worker makes it of a table: rows in the place of images, and importances."""
    found = json.loads(files["report"])
    for mistake in found["worst_mistakes"]:
        del mistake["image"]
        mistake["row"] = MISTAKE
    return json.dumps(found | {"columns": IMPORTANCE, "typical": []}).encode()


def publish(api: Api, columns: list[Column] = COLUMNS, **changes: Any) -> str:
    """A model of a table, with this signature but for the changes."""
    lease = api.start(api.submit())
    plain = table_model(columns)
    made = replace(plain, signature=plain.signature | changes)
    with api.database.write() as connection:
        return runs.succeed(connection, lease, made)
