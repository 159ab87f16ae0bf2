"""Keys: every route against every scope and against no key; limits; who did what."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from app.api.routes import Route, declared_scopes
from app.main import create_app
from app.store import keys
from app.store.keys import Limits, Scope
from tests import runs
from tests.service.conftest import Api, banded_model, problem_of, serving
from tests.waiting import HANG_SECONDS, until

READ, PREDICT, WRITE, ADMIN = Scope.READ, Scope.PREDICT, Scope.WRITE, Scope.ADMIN
PAGE = {"GET /": None, "GET /dashboard/{path:path}": None}  # the API's description leaves them out
SCOPES: dict[str, Scope | None] = {
    "GET /datasets": READ,
    "POST /datasets": WRITE,
    "DELETE /datasets/{ref}": ADMIN,
    "GET /datasets/{ref}": READ,
    "GET /datasets/{ref}/content": READ,
    "PUT /datasets/{ref}/content": WRITE,
    "GET /datasets/{ref}/report": READ,
    "POST /datasets/{ref}/retry": WRITE,
    "GET /healthz": None,
    "GET /jobs": READ,
    "POST /jobs": WRITE,
    "GET /jobs/changes": READ,
    "GET /jobs/summaries": READ,
    "POST /jobs/validate": READ,
    "GET /jobs/{job_id}": READ,
    "POST /jobs/{job_id}/cancel": WRITE,
    "GET /jobs/{job_id}/charts": READ,
    "GET /jobs/{job_id}/diagnosis": READ,
    "GET /jobs/{job_id}/events": READ,
    "GET /jobs/{job_id}/explain": READ,
    "GET /jobs/{job_id}/lr-range": READ,
    "POST /jobs/{job_id}/lr-range": WRITE,
    "GET /jobs/{job_id}/metrics": READ,
    "POST /jobs/{job_id}/pause": WRITE,
    "POST /jobs/{job_id}/resume": WRITE,
    "POST /jobs/{job_id}/retry": WRITE,
    "GET /metrics": READ,
    "GET /models": READ,
    "GET /models/aliases": READ,
    "DELETE /models/aliases/{alias}": ADMIN,
    "GET /models/aliases/{alias}": READ,
    "PUT /models/aliases/{alias}": WRITE,
    "POST /models/aliases/{alias}/rollback": WRITE,
    "GET /models/compare": READ,
    "DELETE /models/{ref}": ADMIN,
    "GET /models/{ref}": READ,
    "PATCH /models/{ref}": WRITE,
    "GET /models/{ref}/card": READ,
    "POST /models/{ref}/input": PREDICT,
    "GET /models/{ref}/onnx": READ,
    "POST /models/{ref}/predict": PREDICT,
    "GET /models/{ref}/report": READ,
    "GET /models/{ref}/weights": READ,
    "GET /overview": READ,
    "POST /predict": PREDICT,
    "GET /presets": READ,
    "GET /presets/schema": READ,
    "GET /readyz": None,
    **{f"{method} /session": None for method in ("DELETE", "GET", "POST")},
    "GET /v2": READ,
    "GET /v2/health/live": None,
    "GET /v2/health/ready": None,
    "GET /v2/models/{name}": READ,
    "POST /v2/models/{name}/infer": PREDICT,
    "GET /v2/models/{name}/ready": READ,
    "GET /v2/models/{name}/versions/{version}": READ,
    "POST /v2/models/{name}/versions/{version}/infer": PREDICT,
    "GET /v2/models/{name}/versions/{version}/ready": READ,
    **{f"GET /workers{of}": READ for of in ("", "/{ref}")},
    **{f"POST /workers/{{ref}}/{asked}": ADMIN for asked in ("drain", "resume")},
}
"""Every route of the API: a new one must be decided upon here, too."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("guarded")) as api:
        yield api


def make(api: Api, *scopes: Scope, **limits: Any) -> dict[str, str]:
    """The header of a new key, once the API has seen it."""
    with api.database.write() as connection:
        _, token = keys.create(connection, "test", frozenset(scopes), Limits(**limits))
    headers = {"Authorization": f"Bearer {token}"}
    until(lambda: api.http.get("/jobs").status_code == 401)
    until(lambda: api.http.get("/jobs", headers=headers).status_code != 401)
    return headers


@pytest.fixture(scope="module")
def by_scope(guarded: Api) -> dict[Scope, dict[str, str]]:
    return {scope: make(guarded, scope) for scope in Scope}


def test_nobody_is_asked_until_the_first_key_is_made(fresh: Api) -> None:
    assert fresh.http.get("/jobs").status_code == 200
    headers = make(fresh, "read")
    problem_of(fresh.http.get("/jobs"), 401, "unauthorized")
    assert fresh.http.get("/jobs", headers=headers).status_code == 200


def test_every_route_of_the_app_declares_its_scope() -> None:
    app = create_app()
    declared = {f"{method} {path}": scope for (method, path), scope in app.state.scopes.items()}
    assert declared == SCOPES | PAGE
    described = {
        f"{method.upper()} {path}"
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    assert described == set(SCOPES)


def test_a_route_without_a_scope_is_refused_when_it_is_made() -> None:
    def endpoint() -> None: ...

    with pytest.raises(TypeError, match="/new does not declare"):
        APIRouter(route_class=Route).get("/new")(endpoint)
    plain = APIRouter()
    plain.get("/new")(endpoint)
    with pytest.raises(TypeError, match="route_class"):
        declared_scopes([plain])


@pytest.mark.parametrize("name", ["predict", "infer"])  # names that paths of other scopes end with
@pytest.mark.parametrize("route", SCOPES | PAGE)
def test_every_route_against_every_scope_and_no_key(
    guarded: Api, by_scope: dict[Scope, dict[str, str]], route: str, name: str
) -> None:
    method, path = route.split()
    where = re.sub(r"\{[\w:]+\}", name, path)
    without = guarded.http.request(method, where)
    wanted = (SCOPES | PAGE)[route]
    if wanted is None:
        assert without.status_code not in (401, 403)
        return
    assert without.status_code == 401
    assert without.headers["www-authenticate"] == "Bearer"
    for scope, headers in by_scope.items():
        with guarded.http.stream(method, where, headers=headers) as answer:  # one never ends
            status = answer.status_code
        if scope in (wanted, "admin"):
            assert status not in (401, 403), scope
        else:
            assert status == 403, scope


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer traind_" + "0" * 70, "Bearer \x80", "bearer"],
)
def test_what_is_no_key_is_refused(guarded: Api, by_scope: object, header: str) -> None:
    assert by_scope
    answer = guarded.http.get("/jobs", headers={"Authorization": header.encode("latin-1")})
    problem_of(answer, 401, "unauthorized")


def test_a_wrong_secret_of_a_known_key_is_refused(
    guarded: Api, by_scope: dict[Scope, dict[str, str]]
) -> None:
    good = by_scope["read"]["Authorization"]
    for wrong in (good[:-1] + ("A" if good[-1] != "A" else "B"), good[:-1], good + "A"):
        answer = guarded.http.get("/jobs", headers={"Authorization": wrong})
        problem_of(answer, 401, "unauthorized")


def test_the_open_inference_protocol_has_its_own_form(
    guarded: Api, by_scope: dict[Scope, dict[str, str]]
) -> None:
    answer = guarded.http.get("/v2")
    assert answer.status_code == 401
    assert "error" in answer.json()
    assert guarded.http.get("/v2", headers=by_scope["read"]).status_code == 200


def test_a_revoked_key_ends_within_a_second_and_leaves_the_door_shut(guarded: Api) -> None:
    headers = make(guarded, "read")
    assert guarded.http.get("/jobs", headers=headers).status_code == 200
    key_id = keys.key_id(headers["Authorization"].removeprefix("Bearer "))
    with guarded.database.write() as connection:
        keys.revoke(connection, key_id)
    until(lambda: guarded.http.get("/jobs", headers=headers).status_code != 200)
    problem_of(guarded.http.get("/jobs", headers=headers), 401, "unauthorized")


def test_a_revoked_keys_streams_and_waits_end_within_a_second(guarded: Api) -> None:
    headers, others = make(guarded, "write", "read"), make(guarded, "read")
    job = guarded.http.post("/jobs", json={}, headers=headers).json()["id"]
    key_id = keys.key_id(headers["Authorization"].removeprefix("Bearer "))
    events = {"url": f"/jobs/{job}/events", "timeout": HANG_SECONDS}
    stream = {"Accept": "text/event-stream"}
    with (
        ThreadPoolExecutor() as pool,
        guarded.http.stream("GET", **events, headers=stream | headers) as mine,
        guarded.http.stream("GET", **events, headers=stream | others) as still_good,
    ):
        waiting = pool.submit(
            guarded.http.get, f"/jobs/{job}?wait=60", headers=headers, timeout=HANG_SECONDS
        )
        lines = mine.iter_lines()
        good_lines = still_good.iter_lines()
        assert next(lines) == next(good_lines) == "event: state"
        time.sleep(0.5)  # both have read all that there is, and wait
        with guarded.database.write() as connection:
            keys.revoke(connection, key_id)
        revoked_at = time.monotonic()
        list(lines)  # until the service ends the stream
        problem_of(waiting.result(), 401, "unauthorized")
        assert time.monotonic() - revoked_at < 2, "within about a second, on a busy machine"
        assert guarded.http.post(f"/jobs/{job}/cancel", headers=make(guarded, "write")).is_success
        assert any("cancelled" in line for line in good_lines)


def test_the_first_key_ends_the_streams_that_began_without_one(fresh: Api) -> None:
    job = fresh.submit()
    stream = {"Accept": "text/event-stream"}
    with fresh.http.stream(
        "GET", f"/jobs/{job}/events", headers=stream, timeout=HANG_SECONDS
    ) as mine:
        lines = mine.iter_lines()
        assert next(lines) == "event: state"
        make(fresh, "read")
        list(lines)  # until the service ends the stream


def test_jobs_and_promotions_record_their_key(guarded: Api) -> None:
    headers = make(guarded, "write", "read")
    key_id = keys.key_id(headers["Authorization"].removeprefix("Bearer "))
    job = guarded.http.post("/jobs", json={}, headers=headers).json()
    assert job["submitted_by"] == key_id
    lease = guarded.start(job["id"])
    with guarded.database.write() as connection:
        model = runs.succeed(connection, lease, banded_model())
    alias = guarded.http.put("/models/aliases/mine", json={"model": model}, headers=headers).json()
    assert alias["history"][0]["by"] == key_id


def test_a_key_has_quotas(guarded: Api) -> None:
    headers = make(guarded, "write", "read", jobs=2)
    for _ in range(2):
        assert guarded.http.post("/jobs", json={}, headers=headers).status_code == 201
    before = guarded.rows()
    answer = guarded.http.post("/jobs", json={}, headers=headers)
    problem = problem_of(answer, 429, "quota_exceeded")
    assert "2" in problem["detail"]
    assert guarded.rows() == before


def test_a_key_may_keep_so_many_bytes(guarded: Api) -> None:
    headers = make(guarded, "write", "read", stored_bytes=1000)
    job = guarded.http.post("/jobs", json={}, headers=headers).json()["id"]
    lease = guarded.start(job)
    with guarded.database.write() as connection:
        runs.succeed(connection, lease, banded_model())
    answer = guarded.http.post("/jobs", json={}, headers=headers)
    assert "1000 are allowed" in problem_of(answer, 429, "quota_exceeded")["detail"]
    others = make(guarded, "write")
    assert guarded.http.post("/jobs", json={}, headers=others).status_code == 201


def test_a_key_that_asks_too_fast_is_told_when_to_come_back(guarded: Api) -> None:
    headers = make(guarded, "read", requests_per_second=2)
    began = time.monotonic()
    answered = 0
    while (answer := guarded.http.get("/jobs", headers=headers)).status_code == 200:
        answered += 1
    assert answered <= 2 + 2 * (time.monotonic() - began)
    problem_of(answer, 429, "too_many_requests")
    assert int(answer.headers["retry-after"]) >= 1
    until(lambda: guarded.http.get("/jobs", headers=headers).status_code == 200)


def test_the_last_use_is_noted_and_the_secret_is_nowhere(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        headers = make(api, "read")
        assert api.http.get("/jobs", headers=headers).status_code == 200
        token = headers["Authorization"].removeprefix("Bearer ")
    with serving(tmp_path) as api:  # the stop before has noted it
        with api.database.read() as connection:
            (key,) = keys.listed(connection)
        assert key.last_used_at is not None
        for file in tmp_path.iterdir():
            if file.is_file():
                assert token[-20:].encode() not in file.read_bytes(), file
