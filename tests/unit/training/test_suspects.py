"""Wrong labels are named by the network that was trained on them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.jobspec import BUILT_IN_DATASETS, JobSpec
from tests.unit.imports import pictures, rows
from tests.unit.training.runs import of, run
from worker import datasets
from worker.messages import Diagnosed
from worker.training import networks, suspects
from worker.training.dataset import Dataset, load
from worker.training.splits import split

SPECS: dict[str, dict[str, Any]] = {
    "digits": {"preset": "digits"},
    "learned by heart": {
        "dataset": {"name": "digits"},
        "training": {"epochs": 60, "batch_size": 16, "optimizer": {"lr": 0.05}},
    },
    "breast-cancer": {"preset": "table"},
}


@pytest.fixture(scope="module")
def cancer(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    home = tmp_path_factory.mktemp("home")
    datasets.decode("breast-cancer", home, None)
    return load(home / "breast-cancer", BUILT_IN_DATASETS["breast-cancer"])


def mislabelled(dataset: Dataset, part: float) -> tuple[Dataset, set[int]]:
    """With the labels of this part of the training examples changed, and which."""
    chance, labels = np.random.default_rng(1), np.array(dataset.train_labels)
    classes = len(dataset.description.classes)
    wrong = chance.choice(len(labels), int(part * len(labels)), replace=False)
    labels[wrong] = (labels[wrong] + chance.integers(1, classes, len(wrong))) % classes
    return replace(dataset, train_labels=labels), set(wrong.tolist())


@pytest.mark.parametrize("model", [{"initial_bias": -10.0}, {"initialization": "zeros"}], ids=str)
def test_a_dead_network_doubts_no_label(cancer: Dataset, model: dict[str, Any]) -> None:
    fields = SPECS["breast-cancer"] | {"model": {"hidden": [64], "activation": "relu"} | model}
    _, reports = run(JobSpec.model_validate(fields), cancer)
    findings = of(Diagnosed, reports)[-1].diagnosis["findings"]
    assert "mislabelled_examples" not in {each["code"] for each in findings}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rare_class_within_a_frequent_one_is_not_doubted(tmp_path: Path, seed: int) -> None:
    """Two Gaussians that overlap; of ten rows nine are of one. Their labels are right."""
    draw = np.random.default_rng(seed)
    labels = draw.random(2000) < 0.08
    values = draw.normal(labels[:, None] * 1.2, 1.0, (2000, 4))
    table = rows.Table(
        ["a", "b", "c", "d", "y"],
        [[*map(float, each), str(label)] for each, label in zip(values, labels, strict=True)],
    )
    done = rows.imported(rows.as_csv(tmp_path / "a.csv", table), tmp_path / "ds")
    known = {"table": rows.facts(done)}
    fields = {"preset": "table", "dataset": {"name": "table"}}
    spec = JobSpec.model_validate(fields, context=known)
    _, reports = run(spec, rows.loaded(tmp_path / "ds", done))
    findings = of(Diagnosed, reports)[-1].diagnosis["findings"]
    assert "mislabelled_examples" not in {each["code"] for each in findings}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("part", [0.0, 0.05], ids=["sound", "planted"])
def test_planted_wrong_labels_are_named_and_sound_ones_are_no_finding(
    digits: Dataset, cancer: Dataset, name: str, part: float
) -> None:
    """Most of the twenty that are named are wrong; what is suggested instead is right."""
    sound = cancer if name == "breast-cancer" else digits
    dataset, wrong = mislabelled(sound, part)
    finished, reports = run(JobSpec.model_validate(SPECS[name]), dataset)
    findings = of(Diagnosed, reports)[-1].diagnosis["findings"]
    codes = {each["code"] for each in findings}
    if not part:
        assert "mislabelled_examples" not in codes
        return
    least = 0.5  # 18 wrong ones of 364 may be too few to be sure
    if name != "breast-cancer":
        least = 0.9
        assert "mislabelled_examples" in codes
    named = json.loads(finished.report)["suspects"]
    found = [each for each in named if each["index"] in wrong]
    assert len(named) == 20
    assert len(found) >= least * len(named)
    truth = [dataset.description.classes[sound.train_labels[each["index"]]] for each in found]
    assert [each["suggested"] for each in found] == truth
    suspicion = [each["suspicion"] for each in named]
    assert suspicion == sorted(suspicion, reverse=True)


def test_the_network_and_chance_are_left_as_they_were(digits: Dataset) -> None:
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}})
    net = networks.build(spec)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.get_rng_state()
    found = suspects.find(net, split(spec, digits, torch.device("cpu")).training, 10)
    assert found.asked == 1293
    assert torch.equal(torch.get_rng_state(), state)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_of_large_images_fewer_are_asked(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "PIXELS", 300 * 64)
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}})
    training = split(spec, digits, torch.device("cpu")).training
    assert 200 <= suspects.find(networks.build(spec), training, 10).asked <= 300


def test_a_sample_knows_where_its_images_are(digits: Dataset) -> None:
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}})
    sample = split(spec, digits, torch.device("cpu")).training.sample(100)
    labels = np.asarray(digits.train_labels)[sample.origins.numpy()]
    assert sample.labels.tolist() == labels.tolist()


def test_a_few_examples_are_enough(digits: Dataset) -> None:
    spec = JobSpec.model_validate(
        {"dataset": {"name": "digits", "limit": 20, "validation_fraction": 0.5}}
    )
    training = split(spec, digits, torch.device("cpu")).training
    assert suspects.find(networks.build(spec), training, 10).asked == 10


def test_examples_of_one_s_own_are_called_by_their_names(tmp_path: Path) -> None:
    table = rows.people(120)
    done = rows.imported(rows.as_csv(tmp_path / "a.csv", table), tmp_path / "rows")
    files = pictures.of_classes("cat", "dog")
    there = pictures.here(pictures.zipped(tmp_path / "a.zip", files), tmp_path / "pictures")
    dataset = rows.loaded(tmp_path / "rows", done)
    names = dataset.names("train")
    assert names is not None
    assert len(names) == len(dataset.train_labels)
    known = {f"row {number}": label for number, (*_, label) in enumerate(table.rows, start=1)}
    classes = dataset.description.classes
    assert [known[name] for name in names] == [classes[each] for each in dataset.train_labels]
    listed = json.loads((tmp_path / "pictures" / "test_names.json").read_bytes())
    assert set(listed) < set(files)
    assert len(listed) == there.facts["test_images"]
