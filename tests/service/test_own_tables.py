"""A person's own table, from a file to predictions, through the real service."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.client import Client, Problem
from app.local import Service
from tests.unit.imports import rows
from tests.waiting import ended


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rows.as_csv(tmp_path_factory.mktemp("file") / "people.csv", rows.people(300))


@pytest.fixture(scope="module")
def dataset(service: Service, file: Path) -> dict[str, Any]:
    with Client(service.url) as client:
        return client.datasets.add("people", file)


@pytest.fixture(scope="module")
def model(service: Service, dataset: dict[str, Any]) -> str:
    with Client(service.url) as client:
        job = ended(client, client.submit(spec()))
    assert job["status"] == "succeeded", job["failure"]
    assert job["spec"]["dataset"]["facts"] == dataset["facts"]
    assert job["metrics"]["test_accuracy"] > 0.9
    return str(job["model"])


def spec(**training: Any) -> dict[str, Any]:
    return {"preset": "table", "dataset": {"name": "people"}, "training": training}


def row(age: Any, **others: Any) -> dict[str, Any]:
    usual = {"job": "nurse", "smokes": False, "since": "2016-05-15", "income": 50000}
    return {"age": age, **usual, **others}


def test_a_table_becomes_a_served_model(
    client: Client, dataset: dict[str, Any], model: str
) -> None:
    assert dataset["kind"] == dataset["facts"]["kind"] == "table"
    about = client.model(model)
    assert about["classes"] == ["old", "young"]
    assert about["target"] == "class"
    assert [each["name"] for each in about["columns"]] == rows.NAMES[:-1]
    assert about["provenance"]["dataset_sha256"] == dataset["facts"]["sha256"]
    assert set(about["metrics"]) >= {"test_roc_auc", "test_balanced_accuracy", "test_log_loss"}
    said = client.predict([row(70), row("22"), row(70.5, job="judge")], model)
    assert [each["label"] for each in said] == ["old", "young", "old"]
    codes = [[each["code"] for each in one.get("warnings", [])] for one in said]
    assert codes[:2] == [[], []]
    assert len(codes[2]) == 1


def test_what_is_served_equals_what_was_measured(client: Client, model: str) -> None:
    """Rows as they stand in the file give the probabilities that the test part was measured by."""
    table = rows.people(300)
    asked = [dict(zip(table.names[:-1], each[:-1], strict=True)) for each in table.rows]
    answers = client.predict(asked, model)
    known = {
        json.dumps(each, sort_keys=True): (answer["label"], truth[-1])
        for each, answer, truth in zip(asked, answers, table.rows, strict=True)
    }
    right = np.mean([label == truth for label, truth in known.values()])
    assert right > 0.9
    report = client._http.get(f"/models/{model}/report").json()
    for mistake in report["worst_mistakes"]:
        (label,) = {
            label
            for (label, truth), each in zip(known.values(), asked, strict=True)
            if truth == mistake["label"]
            and each["job"] == mistake["row"]["job"]
            and f"{each['income']:.7g}" == mistake["row"]["income"]
        }
        assert label == mistake["predicted"]


def test_the_report_says_what_the_network_relies_on(client: Client, model: str) -> None:
    report = client._http.get(f"/models/{model}/report").json()
    importance = {each["name"]: each["importance"] for each in report["columns"]}
    assert set(importance) == set(rows.NAMES) - {"class"}
    assert max(importance, key=lambda name: importance[name]) == "age"
    page = client._http.get(f"/models/{model}/report", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "age" in page.text
    assert client._http.get(f"/models/{model}/card").status_code == 200


def test_the_same_rows_train_the_same_weights_and_so_do_arrays_that_were_lost(
    client: Client, service: Service, dataset: dict[str, Any], model: str, tmp_path: Path
) -> None:
    table = rows.people(300)
    shuffled = rows.Table(table.names, random.Random(1).sample(table.rows, len(table.rows)))
    other = client.datasets.add("again", rows.as_json_lines(tmp_path / "a.jsonl", shuffled))
    assert other["facts"]["sha256"] == dataset["facts"]["sha256"]
    shutil.rmtree(service.settings.home / "datasets" / other["id"])
    job = ended(client, client.submit(spec() | {"dataset": {"name": "again"}}))
    assert job["status"] == "succeeded", job["failure"]
    digests = {client.model(each)["weights_sha256"] for each in (model, job["model"])}
    assert len(digests) == 1


def test_a_preset_for_pictures_is_refused_before_anything_is_stored(
    client: Client, dataset: dict[str, Any]
) -> None:
    with pytest.raises(Problem) as refused:
        client.submit({"preset": "images", "dataset": {"name": dataset["name"]}})
    assert "rows" in str(refused.value)


def test_the_textbook_s_formulas_are_a_job_that_anybody_can_post(client: Client) -> None:
    job = ended(client, client.submit({"preset": "textbook"}))
    assert job["status"] == "succeeded", job["failure"]
    assert job["metrics"]["test_accuracy"] > 0.95
    assert client.model(job["model"])["provenance"]["gradient"] == "chain_rule"
