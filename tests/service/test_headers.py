"""What every answer carries, what a browser may do with it, and what the logs say."""

import base64
import json
import re
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from app.local import Service
from app.store import database, keys
from app.store.keys import Limits, Scope
from tests import databases
from tests.service.conftest import Api, band

PATHS = ["/healthz", "/jobs", "/jobs/nobody", "/docs", "/openapi.json", "/metrics", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_closed_to_other_sites(api: Api, path: str) -> None:
    answer = api.http.get(path, headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    preflight = api.http.options(path, headers=asked)
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_the_documentation_runs_its_own_scripts_only(api: Api) -> None:
    page = api.http.get("/docs")
    policy = page.headers["content-security-policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    (scripts,) = re.findall(r"script-src ([^;]*);", policy)
    assert scripts == f"'self' 'sha256-{digest}'"
    for source in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert source.startswith("/static-offline-docs/")
        assert api.http.get(source).status_code == 200


def test_a_request_id_goes_from_the_client_to_the_jobs_events(api: Api) -> None:
    api.publish()
    named = {"X-Request-Id": "deploy-17"}
    answer = api.http.post("/jobs", json={}, headers=named)
    assert answer.headers["x-request-id"] == "deploy-17"
    job = answer.json()["id"]
    other = api.http.post(f"/jobs/{job}/cancel").headers["x-request-id"]
    found = api.http.get(f"/jobs/{job}/events", headers={"Accept": "application/json"}).json()
    ids = [event["data"].get("request_id") for event in found["data"]]
    assert ids == ["deploy-17", other]
    strange = api.http.get("/jobs", headers={"X-Request-Id": "a b<script>"})
    assert re.fullmatch(r"[0-9a-f]{16}", strange.headers["x-request-id"])
    refused = api.http.post("/predict", json={"inputs": []}, headers=named)
    assert refused.status_code == 422
    assert refused.headers["x-request-id"] == "deploy-17"


def test_logs_are_json_lines_with_ids_and_without_secrets(tmp_path: Path) -> None:
    settings = databases.settings(tmp_path)
    service = Service(settings, tmp_path / "log")
    try:
        service.start("app")
        opened = database.connect(settings.database)
        with opened.write() as connection:
            key, token = keys.create(connection, "x", frozenset([Scope.ADMIN]), Limits())
        opened.close()
        with httpx.Client(base_url=service.url) as http:
            headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "mine"}
            while http.get("/jobs").status_code != 401:
                pass
            assert http.post("/jobs", json={"name": token}, headers=headers).status_code == 201
            http.post("/predict", json={"inputs": [band(1)], "model": token}, headers=headers)
            http.get(f"/jobs/{token}", headers=headers)
    finally:
        service.stop()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (said,) = (line for line in lines if line.get("request_id") == "mine")
    assert said["event"] == "request"
    assert (said["method"], said["path"], said["status"]) == ("POST", "/jobs", 201)
    assert said["key"] == key.id
    assert {"timestamp", "level", "logger"} <= set(said)
    assert token.split("_", 2)[2] not in (tmp_path / "log").read_text()
