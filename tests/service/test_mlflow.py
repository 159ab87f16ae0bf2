"""Jobs as runs of a real MLflow server, read back with MLflow's own client."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app import address
from app.client import Client
from app.local import Service, running
from app.store import database
from tests import databases
from tests.service import mlflow_server
from tests.service.test_webhooks import QUICK, make_due
from tests.waiting import ended, until

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BASE = "https://traind.example.org"


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server.serving(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, tracking: str) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with running(databases.settings(home, mlflow_uri=tracking, public_url=BASE)) as service:
        yield service


@pytest.fixture
def mlflow(tracking: str) -> "MlflowClient":
    from mlflow import MlflowClient  # noqa: PLC0415 (it may not be installed)

    return MlflowClient(tracking_uri=tracking)


def told(service: Service, job: dict[str, Any]) -> list[dict[str, Any]]:
    answer = httpx.get(f"{service.url}/jobs/{job['id']}/events", params={"limit": 1000})
    return [each for each in answer.json()["data"] if each["kind"] == "mlflow"]


def runs_of(mlflow: "MlflowClient", job: dict[str, Any]) -> "list[Run]":
    experiment = mlflow.get_experiment_by_name("traind")
    assert experiment is not None
    wanted = f"tags.`traind.job_id` = '{job['id']}'"
    return list(mlflow.search_runs([experiment.experiment_id], wanted))


def test_a_job_is_a_run_with_its_parameters_curves_verdict_and_files(
    client: Client, service: Service, mlflow: "MlflowClient", tmp_path: Path
) -> None:
    labels = {"team": "vision", "odd (key)": "x"}
    job = ended(client, client.submit(QUICK | {"name": "mirrored", "labels": labels}))
    (event,) = until(lambda: told(service, job))
    (run,) = runs_of(mlflow, job)
    assert event["data"]["run"] == run.info.run_id
    assert event["message"] == f"mlflow: mirrored as run {run.info.run_id} of experiment traind"
    assert run.info.run_name == "mirrored"
    assert run.info.status == "FINISHED"
    assert 0 < run.info.start_time <= run.info.end_time
    assert run.data.params["training.optimizer.name"] == "sgd"
    assert run.data.params["model.hidden"] == "[8]"
    assert not any(name.startswith("dataset.facts") for name in run.data.params)
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("traind.")}
    assert tags == {
        "traind.job_id": job["id"],
        "traind.job_url": f"{BASE}/jobs/{job['id']}",
        "traind.model_id": job["model"],
        "traind.status": "succeeded",
        "traind.verdict": job["verdict"],
        "traind.label.team": "vision",
        "traind.label.odd _key_": "x",
    }
    drawn = httpx.get(f"{service.url}/jobs/{job['id']}/metrics", params={"limit": 1000}).json()
    for name in {point["name"] for point in drawn["data"]}:
        curve = [(p["step"], p["value"]) for p in drawn["data"] if p["name"] == name]
        history = mlflow.get_metric_history(run.info.run_id, name)
        assert sorted((each.step, each.value) for each in history) == curve
    assert run.data.metrics["test_accuracy"] == job["metrics"]["test_accuracy"]
    there = Path(mlflow.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert json.loads((there / "spec.json").read_text()) == job["spec"]
    assert (
        json.loads((there / "diagnosis.json").read_text())["findings"][0]["code"] == job["verdict"]
    )
    weights = httpx.get(f"{service.url}/models/{job['model']}/weights").content
    assert (there / "model" / "weights.safetensors").read_bytes() == weights
    graph = httpx.get(f"{service.url}/models/{job['model']}/onnx").content
    assert (there / "model" / "model.onnx").read_bytes() == graph


def test_a_failed_job_says_why_and_one_that_never_ran_is_no_run(
    client: Client, service: Service, mlflow: "MlflowClient"
) -> None:
    steep = {"epochs": 1, "optimizer": {"name": "sgd", "lr": 1e3, "momentum": 0.99}}
    fields = {"training": steep | {"loss": {"name": "mse"}}}
    failed = ended(client, client.submit(QUICK | fields))
    assert failed["status"] == "failed"
    running = client.submit(QUICK | {"training": {"epochs": 1000}})
    waiting = client.submit(QUICK)
    client.cancel(waiting["id"])
    until(lambda: client.job(running["id"])["status"] == "running")
    client.cancel(running["id"])
    until(lambda: told(service, running))
    (run,) = runs_of(mlflow, running)
    assert run.info.status == "KILLED"
    until(lambda: told(service, failed))
    (run,) = runs_of(mlflow, failed)
    assert run.info.status == "FAILED"
    assert run.data.tags["traind.failure"].startswith(f"{failed['failure']['code']}: ")
    assert told(service, waiting) == []
    assert runs_of(mlflow, waiting) == []


@pytest.mark.parametrize("step", ["log_batch", "log_artifacts", "set_terminated"])
def test_mirroring_that_died_in_the_middle_goes_on_in_the_same_run(
    client: Client,
    service: Service,
    mlflow: "MlflowClient",
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    from worker.deliveries.mirror import Mirror  # noqa: PLC0415

    job = ended(client, client.submit(QUICK))
    until(lambda: told(service, job))
    (known,) = runs_of(mlflow, job)
    mlflow.delete_run(known.info.run_id)  # as if this job had never been mirrored

    class Died(BaseException):
        """Stands for the end of the process."""

    def die(*_: object, **__: object) -> None:
        raise Died

    with closing(database.connect(service.settings.database)) as opened:
        mirror = Mirror(service.settings, opened)
        with monkeypatch.context() as broken:
            broken.setattr(mirror._client, step, die)
            with pytest.raises(Died):
                mirror.mirror(job["id"])
        (half,) = runs_of(mlflow, job)
        assert half.info.status == "RUNNING"
        mirror.mirror(job["id"])
        mirror.mirror(job["id"])
    (run,) = runs_of(mlflow, job)
    assert run.info.run_id == half.info.run_id
    assert run.info.status == "FINISHED"
    assert run.data.metrics == known.data.metrics
    assert run.data.params == known.data.params
    for name in run.data.metrics:
        history = mlflow.get_metric_history(run.info.run_id, name)
        assert len(history) == len(mlflow.get_metric_history(known.info.run_id, name))


def test_a_server_that_is_away_delays_no_job_and_is_told_later(tmp_path: Path) -> None:
    mlflow_server.command()
    port = address.free_port("127.0.0.1")
    uri = f"http://127.0.0.1:{port}"
    service = Service(databases.settings(tmp_path / "home", mlflow_uri=uri))
    try:
        service.start("app", "worker")
        with Client(service.url) as client:
            job = ended(client, client.submit(QUICK))
            assert job["status"] == "succeeded"
            (event,) = until(lambda: told(service, job))
            assert "the server refused it, or is away" in event["message"]
            assert event["message"].endswith("attempt 2 of 11 in 5 s")
        with mlflow_server.serving(tmp_path / "mlflow", port):
            make_due(service)
            until(lambda: [each for each in told(service, job) if each["data"]["delivered"]])
    finally:
        service.stop()
