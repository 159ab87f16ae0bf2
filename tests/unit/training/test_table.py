"""Training on the rows of a table: what the network sees, what its graph answers, what it needs."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from pydantic import ValidationError

from app.jobspec import BUILT_IN_DATASETS, DatasetFacts, JobSpec, blocks
from app.rows.columns import Column
from tests.torture import resume_matrix
from tests.unit.imports import rows
from tests.unit.training.runs import of, run
from worker import datasets
from worker.messages import Diagnosed, Log
from worker.training import graph, networks
from worker.training.dataset import Array, Dataset, NotDecoded, TableDescription, load
from worker.training.inputs import Rows
from worker.training.restored import restored

TRAINING = {"epochs": 12, "batch_size": 16, "log_every": 5, "optimizer": {"lr": 0.05}}


class People(NamedTuple):
    """A table that was imported, and what specs know of it."""

    folder: Path
    facts: DatasetFacts
    dataset: Dataset

    def spec(self, **sections: Any) -> JobSpec:
        """A job on it."""
        dataset = {"name": "people"} | sections.pop("dataset", {})
        fields = {"dataset": dataset, "training": TRAINING, "model": {"hidden": [16]}, **sections}
        return JobSpec.model_validate(fields, context={"people": self.facts})


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    home = tmp_path_factory.mktemp("home")
    done = rows.imported(rows.as_csv(home / "a.csv", rows.people(300)), home / "ds_people")
    return People(home / "ds_people", rows.facts(done), rows.loaded(home / "ds_people", done))


@pytest.fixture(scope="module")
def cancer(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    home = tmp_path_factory.mktemp("home")
    datasets.decode("breast-cancer", home, None)
    return load(home / "breast-cancer", BUILT_IN_DATASETS["breast-cancer"])


COLUMNS = [
    Column("age", "number", mean=40.0, std=10.0, low=20.0, high=60.0, has_missing=True),
    Column("job", "category", categories=("cook", "nurse"), has_rare=True, has_missing=True),
    Column("when", "date", mean=18000.0, std=100.0, low=17000.0, high=19000.0),
    Column("smokes", "category", categories=("false", "true")),
]
MADE_UP = TableDescription("made up", "class", COLUMNS, ["a", "b", "c"], "")
STORED = np.array(
    [
        [50, 0, 18100, 1],
        [np.nan, 3, 17900, 0],
        [20, 2, np.nan, -1],
        [40, -1, 18000, 1],
    ],
    np.float32,
)
SEEN = [
    # age, when; age is missing; cook, nurse, rare, missing; false, true
    [1, 1, 0, 1, 0, 0, 0, 0, 1],
    [0, -1, 1, 0, 0, 0, 1, 1, 0],
    [-2, 0, 0, 0, 0, 1, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 1],
]


def test_numbers_are_scaled_and_categories_spread_out() -> None:
    seen = Rows(MADE_UP)(torch.from_numpy(STORED.copy()))
    np.testing.assert_allclose(seen.numpy(), SEEN, atol=1e-6)
    assert MADE_UP.input_shape == (9,)


@pytest.mark.parametrize(
    ("how", "ages"), [("standard", [1, 0]), ("unit", [0.75, 0]), ("none", [50, 0])]
)
def test_numbers_are_seen_as_the_spec_wants(how: Any, ages: list[float]) -> None:
    seen = Rows(MADE_UP.normalized(how))(torch.from_numpy(STORED[:2].copy()))
    np.testing.assert_allclose(seen.numpy()[:, 0], ages, atol=1e-6)
    np.testing.assert_allclose(seen.numpy()[:, 2:], np.array(SEEN)[:2, 2:])


def asked(graph: bytes, description: TableDescription, stored: Array) -> Array:
    """What a graph answers to rows as they are stored."""
    feeds: dict[str, Array] = {}
    categories = np.array([column.is_category for column in description.columns])
    if not categories.all():
        feeds["numbers"] = stored[:, ~categories]
    if categories.any():
        feeds["categories"] = stored[:, categories].astype(np.int64)
    session = InferenceSession(graph)
    assert {each.name for each in session.get_inputs()} == set(feeds)
    (probabilities,) = session.run(["probabilities"], feeds)
    return np.asarray(probabilities)


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [0, 2], [1, 3], [2], [3]], ids=str)
def test_the_graph_sees_what_the_network_does(kept: list[int]) -> None:
    """Also where all columns are numbers, or none is."""
    description = TableDescription(
        "made up", "class", [COLUMNS[at] for at in kept], ["a", "b", "c"], ""
    )
    facts = DatasetFacts(
        kind="table",
        input_shape=description.input_shape,
        classes=3,
        train_images=100,
        test_images=20,
    )
    fields = {"dataset": {"name": "own"}, "model": {"hidden": [8]}}
    spec = JobSpec.model_validate(fields, context={"own": facts})
    torch.manual_seed(1)
    net = networks.build(spec).eval()
    stored = STORED[:, kept]
    content = graph.written(net, spec.layers, description)
    with torch.inference_mode():
        expected = net(Rows(description)(torch.from_numpy(stored.copy()))).softmax(1).numpy()
    np.testing.assert_allclose(asked(content, description, stored), expected, atol=1e-5)


MODELS: list[dict[str, Any]] = [
    {"hidden": [16]},
    {"hidden": []},
    {"hidden": [16, 8], "dropout": 0.2, "batch_norm": True},
    {"hidden": [6], "activation": "sigmoid", "output": "sigmoid"},
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_every_network_trains_on_it_is_diagnosed_reported_and_exported(
    people: People, model: dict[str, Any]
) -> None:
    finished, reports = run(people.spec(model=model), people.dataset)
    assert not [each for each in of(Log, reports) if "gave up" in each.message]
    assert of(Diagnosed, reports)[-1].diagnosis["final"]
    assert finished.metrics["test_accuracy"] > 0.7
    description, dataset = people.dataset.description, people.dataset
    assert isinstance(description, TableDescription)
    probabilities = asked(finished.onnx, description, np.asarray(dataset.test_images))
    with torch.inference_mode():
        again = restored(finished.weights)(torch.tensor(dataset.test_images)).softmax(1).numpy()
    np.testing.assert_allclose(again, probabilities, atol=1e-5)
    correct = (probabilities.argmax(1) == dataset.test_labels).mean()
    assert correct == pytest.approx(finished.metrics["test_accuracy"])
    assert finished.signature["target"] == "class"
    read = [Column.from_json(each) for each in finished.signature["columns"]]
    assert [each.name for each in read] == [each.name for each in description.columns]
    found = json.loads(finished.report)
    for mistake in found["worst_mistakes"]:
        assert set(mistake["row"]) == set(rows.NAMES) - {"class"}
    importance = {each["name"]: each["importance"] for each in found["columns"]}
    assert max(importance, key=lambda name: importance[name]) == "age"  # the class follows from it
    assert importance["age"] > 0.2


@pytest.mark.parametrize("model", MODELS[:1] + MODELS[2:], ids=str)
@pytest.mark.parametrize("optimizer", [{"lr": 0.05}, {"name": "adamw", "lr": 0.003}], ids=str)
def test_a_run_that_was_cut_ends_with_the_same_weights(
    people: People, model: dict[str, Any], optimizer: dict[str, Any]
) -> None:
    spec = people.spec(model=model, training=TRAINING | {"optimizer": optimizer})
    kept = resume_matrix.cut(spec, people.dataset, 29)
    assert kept is not None
    whole = resume_matrix.digest(spec, people.dataset)
    assert resume_matrix.digest(spec, people.dataset, kept) == whole


def test_rows_are_trained_on_in_blocks_too(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, _ = run(people.spec(), people.dataset)
    monkeypatch.setattr(blocks, "length", lambda *_: 5)
    together, _ = run(people.spec(), people.dataset)
    for name in ("test_loss", "test_accuracy"):
        assert together.metrics[name] == pytest.approx(alone.metrics[name], abs=1e-4)
    kept = resume_matrix.cut(people.spec(), people.dataset, 29)
    assert kept is not None
    assert resume_matrix.digest(people.spec(), people.dataset, kept) == together.weights_sha256


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": {"kind": "cnn"}}, "model.kind"),
        ({"model": {"kind": "resnet"}}, "model.kind"),
        ({"dataset": {"augment": {"noise": 0.1}}}, "dataset.augment"),
    ],
)
def test_what_is_for_images_is_refused(people: People, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        people.spec(**fields)
    assert refusal.value.errors()[0]["ctx"]["field"] == field


def test_a_stored_spec_is_read_back(people: People) -> None:
    spec = people.spec()
    assert JobSpec.stored(spec.model_dump(mode="json")) == spec


def test_arrays_that_do_not_fit_together_are_not_loaded(people: People, tmp_path: Path) -> None:
    for file in people.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    load(tmp_path, people.facts)
    np.save(tmp_path / "test_images.npy", np.zeros((60, 5)))  # float64
    with pytest.raises(NotDecoded):
        load(tmp_path, people.facts)


def test_the_tumours_are_divided_as_described(cancer: Dataset) -> None:
    assert cancer.train_images.shape == (455, 30)
    assert np.bincount(cancer.test_labels).tolist() == [42, 72]
    assert isinstance(cancer.description, TableDescription)
    assert cancer.description.classes == ["malignant", "benign"]
    assert cancer.description.columns[0].name == "mean radius"


def test_the_textbook_s_formulas_tell_tumours_apart(cancer: Dataset) -> None:
    spec = JobSpec.model_validate({"preset": "textbook"})
    assert spec.layer_sizes == [30, 10, 1]
    finished, reports = run(spec, cancer)
    assert finished.metrics["test_accuracy"] > 0.95
    (finding,) = of(Diagnosed, reports)[-1].diagnosis["findings"]
    assert finding["code"] == "healthy"


def test_the_preset_for_tables_tells_tumours_apart(cancer: Dataset) -> None:
    finished, _ = run(JobSpec.model_validate({"preset": "table"}), cancer)
    assert finished.metrics["test_accuracy"] > 0.94
