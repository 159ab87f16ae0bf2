"""What holds for every route: problems, health, documentation, start and stop."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from app.local import Service
from app.store import workers
from tests import databases, runs
from tests.service.conftest import Api, problem_of
from tests.waiting import HANG_SECONDS


@pytest.mark.parametrize("path", ["/nothing", "/jobs/job_x/nothing", "/static-offline-docs/x.js"])
def test_an_unknown_page_is_a_404_problem(api: Api, path: str) -> None:
    assert path in problem_of(api.http.get(path), 404, "not_found")["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/jobs", "GET, HEAD, POST"),
        ("PUT", "/predict", "POST"),
        ("POST", "/models/latest", "DELETE, GET, HEAD, PATCH"),
        ("PATCH", "/healthz", "GET, HEAD"),
    ],
)
def test_another_method_is_a_405_problem_that_names_all_methods(
    api: Api, method: str, path: str, allowed: str
) -> None:
    answer = api.http.request(method, path)
    assert allowed in problem_of(answer, 405, "method_not_allowed")["detail"]
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("method", "path", "name", "advice"),
    [
        ("GET", "/jobs?stat=failed", "stat", "the parameters are limit, after, status, label"),
        ("GET", "/models?limit=5&accuracy=0.99", "accuracy", "min_accuracy"),
        ("HEAD", "/datasets?nam=", "nam", ""),
        ("GET", "/jobs/job_x?waiting=1", "waiting", "the parameters are wait"),
        ("GET", "/models/latest?full=1", "full", "there are no parameters"),
        ("GET", "/jobs?=1", "", "the parameters are limit"),
        ("POST", "/jobs?name=x", "name", "there are no parameters"),
        ("POST", "/predict?topk=2", "topk", "model, top_k, preprocess, pixel_range"),
        ("POST", "/models/latest/predict?model=x", "model", "are top_k, preprocess, pixel_range"),
        ("GET", "/session?x=1", "x", "there are no parameters"),
    ],
)
def test_an_unknown_parameter_is_refused_and_the_known_ones_are_listed(
    api: Api, method: str, path: str, name: str, advice: str
) -> None:
    answer = api.http.request(method, path)
    if method == "HEAD":
        assert answer.status_code == 422
        return
    document = problem_of(answer, 422, "invalid_request")
    assert document["errors"][0]["parameter"] == name
    assert document["detail"].startswith(
        f"{name or 'A parameter without a name'}: is not known here; "
    )
    assert advice in document["errors"][0]["detail"]


def test_the_protocol_refuses_an_unknown_parameter_in_its_own_words(api: Api) -> None:
    for method, path in (("POST", "/v2/models/x/infer?top_k=2"), ("GET", "/v2/models/x?a=")):
        answer = api.http.request(method, path)
        assert answer.status_code == 400
        assert "is not known here; there are no parameters" in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["/", "/dashboard/app.js", "/healthz", "/readyz", "/metrics", "/v2/health/live"]
)
def test_probes_and_browsers_may_add_parameters_of_their_own(api: Api, path: str) -> None:
    assert api.http.get(path, params={"_": "1"}).status_code == 200


def test_health_and_readiness(api: Api) -> None:
    assert api.http.get("/healthz").json() == {"status": "alive"}
    ready = {"status": "ready", "database": "ok", "worker_alive": False}
    assert api.http.get("/readyz").json() == ready
    with api.database.write() as connection:
        runs.register(connection)
    assert api.http.get("/readyz").json() == ready | {"worker_alive": True}
    with api.database.write() as connection:
        workers.leave(connection, "wrk_1")


def test_the_documentation_needs_no_other_host(api: Api) -> None:
    page = api.http.get("/docs").text
    assert "http://" not in page.replace(api.service.url, "")
    assert "https://" not in page
    assert api.http.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_every_route_is_described_with_examples_and_problems(api: Api) -> None:
    description = api.http.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            protocol = path.startswith("/v2")  # the Open Inference Protocol has its own errors
            invalid = "400" if protocol else "422"
            kind = "application/json" if protocol else "application/problem+json"
            assert {invalid, "503"} <= operation["responses"].keys(), where
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == [kind], where
    for name, schema in schemas.items():
        for field, about in schema.get("properties", {}).items():
            assert about.get("description") or "$ref" in about, f"{name}.{field}"
    for name in ("Job", "Plan", "Event", "TrainedModel", "Predictions", "Problem", "MetricPoint"):
        assert schemas[name]["examples"], name
    jobs = description["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]
    assert jobs["examples"]["reference"]["value"] == {}
    bodies = description["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert set(bodies) == {
        "application/json",
        "application/octet-stream",
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "image/bmp",
        "image/tiff",
    }


def test_the_process_loads_neither_torch_nor_the_trainer() -> None:
    code = (
        "import json, sys; import app.__main__; from app.main import create_app; "
        "from app.settings import Settings; create_app(Settings()); "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(json.loads(run.stdout))
    assert {"app", "fastapi", "onnxruntime"} <= loaded
    others = {"torch", "torchvision", "worker", "sklearn", "onnx", "alembic", "obstore"}
    assert not loaded & others


def test_an_open_stream_ends_when_the_service_stops(tmp_path: Path) -> None:
    service = Service(databases.settings(tmp_path))
    service.start("app")
    try:
        job = httpx.post(f"{service.url}/jobs").json()["id"]
        with httpx.stream(
            "GET", f"{service.url}/jobs/{job}/events", headers={"Accept": "text/event-stream"}
        ) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: state"
            process = psutil.Process(service.processes["app"].pid)
            process.terminate()
            rest = list(lines)
            assert service.processes["app"].wait(HANG_SECONDS) == 0
            assert "id: 1" in rest
    finally:
        service.stop()
