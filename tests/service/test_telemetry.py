"""What Prometheus scrapes: counted right, named by its conventions, read by its own parser."""

from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from app.api.telemetry import MODELS, OTHER, Telemetry
from app.processes import METRICS
from app.store import tables, workers
from tests import runs
from tests.service.conftest import Api, band
from tests.service.test_follow import progress

RAW = {"Content-Type": "application/octet-stream"}


def scraped(api: Api) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = api.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(found: dict[Any, float], name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


@pytest.fixture
def model(api: Api) -> str:
    return api.publish()


def test_requests_are_counted_by_route_and_timed_by_model(api: Api, model: str) -> None:
    before = scraped(api)
    for _ in range(3):
        assert api.http.post("/predict", json={"inputs": [band(1), band(2)]}).status_code == 200
    assert api.http.post("/predict", json={"inputs": []}).status_code == 422
    api.http.get(f"/models/{model}")
    api.http.get("/models/none")
    api.http.get("/no/such/path")
    after = scraped(api)

    def more(name: str, **labels: str) -> float:
        return of(after, name, **labels) - of(before, name, **labels)

    total, seconds = "traind_http_requests_total", "traind_http_request_duration_seconds"
    assert more(total, method="POST", route="/predict", status="200") == 3
    assert more(total, method="POST", route="/predict", status="422") == 1
    assert more(total, method="GET", route="/models/{ref}", status="200") == 1
    assert more(total, method="GET", route="/models/{ref}", status="404") == 1
    assert more(total, method="GET", route="none", status="404") == 1
    assert more(f"{seconds}_count", method="POST", route="/predict", model=model) == 3
    assert 0 < more(f"{seconds}_sum", method="POST", route="/predict", model=model) < 3
    assert more("traind_predict_batch_images_sum") == 6
    assert more("traind_predict_batch_images_count") == 3
    assert of(after, "traind_predict_loaded_bytes") > 1000
    assert of(after, "traind_predict_queue_images") == 0


def test_the_models_that_answered_last_have_series_and_the_others_none() -> None:
    counted = Telemetry()
    for number in range(3 * MODELS):
        for route in ("/predict", "/models/{ref}/predict"):
            counted.request("POST", route, 200, "latest one", 0.1)
            counted.request("POST", route, 200, f"model {number}", 0.1)
            counted.request("GET", "/jobs", 200, "", 0.1)
    text = generate_latest(counted.registry).decode()
    shown = {
        sample.labels["model"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.endswith("duration_seconds_count") and sample.labels["route"] == "/predict"
    }
    last = {f"model {number}" for number in range(2 * MODELS + 1, 3 * MODELS)}
    assert set(shown) == last | {"latest one"}
    assert shown["latest one"] == 3 * MODELS


def test_several_processes_name_the_first_models_and_count_the_rest_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Telemetry()
    monkeypatch.setenv(METRICS, "somewhere")
    for number in range(3 * MODELS):
        assert counted._label(f"model {number}") == (
            f"model {number}" if number < MODELS else OTHER
        )


def test_jobs_workers_and_the_training_rate_are_those_of_the_store(fresh: Api) -> None:
    api = fresh  # in which no other job trains
    before = scraped(api)
    lease = api.start(api.submit())
    api.submit()
    with api.database.write() as connection:
        runs.register(connection, "wrk_9", name="gpu9")
        runs.record(connection, lease, progress=progress(100) | {"samples_per_second": 1000.0})
    found = scraped(api)
    try:
        assert of(found, "traind_jobs", status="queued") == (
            of(before, "traind_jobs", status="queued") + 1
        )
        assert of(found, "traind_jobs", status="running") == (
            of(before, "traind_jobs", status="running") + 1
        )
        assert of(found, "traind_training_images_per_second") == 1000
        assert of(found, "traind_workers_alive") == 1
        assert 0 <= of(found, "traind_worker_heartbeat_age_seconds", worker="gpu9") < 5
    finally:
        with api.database.write() as connection:
            workers.leave(connection, "wrk_9")
            connection.execute(
                update(tables.jobs).where(tables.jobs.c.id == lease.job_id).values(status="failed")
            )


def test_names_follow_the_conventions(api: Api) -> None:
    for family in text_string_to_metric_families(api.http.get("/metrics").text):
        assert family.documentation, family.name
        assert family.name.startswith("traind_"), family.name
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples), (
                family.name
            )
        if "duration" in family.name or "_age" in family.name:
            assert family.name.removesuffix("_created").endswith("_seconds")
