"""/jobs: submit, foresee, list, wait, cancel; and every way to be refused."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import wait
from typing import Any

import httpx
import pytest

from app.store.doorbell import Bell
from tests.service.conftest import Api, problem_of
from tests.waiting import HANG_SECONDS

pytestmark = pytest.mark.both_databases

JSON = {"Content-Type": "application/json"}
LONGEST_WAIT = 30.0
"""Seconds of a `wait` that must end before they are over."""


def test_an_empty_body_and_empty_json_are_the_reference_job(api: Api) -> None:
    for answer in (api.http.post("/jobs"), api.http.post("/jobs", json={})):
        assert answer.status_code == 201
        job = answer.json()
        assert answer.headers["location"] == f"/jobs/{job['id']}"
        assert job["status"] == "queued"
        assert job["spec"]["model"]["hidden"] == [500]
        assert job["spec"]["training"]["optimizer"]["momentum"] == 0.9
        assert job["created_at"].endswith("Z")
        assert api.http.get(answer.headers["location"]).json() == job


@pytest.mark.sqlite(reason="a server tells of commits by itself")
def test_a_submission_has_rung_the_doorbell_when_it_is_answered(api: Api) -> None:
    with closing(Bell(api.database)) as bell:  # as every worker has one
        api.submit()
        assert wait([bell.fileno()], 0)


def test_validate_says_what_would_run_and_stores_nothing(api: Api) -> None:
    before = api.rows()
    plan = api.http.post("/jobs/validate", json={}).json()
    assert plan["parameters"] == 397_510
    assert plan["layer_sizes"] == [784, 500, 10]
    assert plan["steps_per_epoch"] == 13_500
    assert plan["steps"] == 135_000
    assert (plan["training_images"], plan["validation_images"]) == (54_000, 6_000)
    assert plan["checkpoint_bytes"] == 397_510 * 8
    assert plan["spec"]["dataset"]["name"] == "mnist"
    assert api.rows() == before


REFUSED: list[tuple[str, str, str, str]] = [
    ("lr", '{"training": {"optimizer": {"lr": -1}}}', "/training/optimizer/lr", "must be above 0"),
    ("type", '{"training": {"epochs": "ten"}}', "/training/epochs", "must be a whole number"),
    ("unknown", '{"epoch": 3}', "/epoch", "the fields are preset, name"),
    ("nested unknown", '{"model": {"hiden": []}}', "/model/hiden", "the fields are kind, "),
    ("escaped", '{"a/b~c": 1}', "/a~1b~0c", "is not known"),
    ("literal", '{"dataset": {"name": "imagenet"}}', "/dataset/name", "digits, mnist"),
    ("engine", '{"resources": {"workers": 2}}', "/resources/workers", "TRAIND_ENGINE=ray"),
    ("shares", '{"resources": {"workers": 3}}', "/resources/workers", "cannot be shared by 3"),
    ("layers", '{"model": {"hidden": [10, 0]}}', "/model/hidden/1", "must be at least 1"),
    ("size", '{"model": {"hidden": [8192, 8192]}}', "/model/hidden", "fewer or smaller"),
    ("steps", '{"training": {"epochs": 10000, "batch_size": 1}}', "/training/epochs", "fewer"),
    ("label", '{"labels": {"a:b": "c"}}', "/labels/a:b", "must not contain"),
    ("number label", '{"labels": {"a": 1}}', "/labels/a", "must be a text"),
    ("NUL", '{"name": "a\\u0000b"}', "/name", "NUL"),
    ("surrogate", '{"name": "\\ud800"}', "/name", "Unicode"),
    ("surrogate dataset", '{"dataset": {"name": "\\ud800"}}', "/dataset/name", "Unicode"),
    ("surrogate field", '{"\\ud800": 1}', "", "Unicode"),
    ("huge", '{"training": {"seed": 1' + "0" * 100 + "}}", "/training/seed", "must be below"),
    ("a list", "[]", "", "must be an object"),
    ("NaN", '{"training": {"optimizer": {"lr": NaN}}}', "", "NaN is not a JSON value"),
    ("infinity", '{"training": {"optimizer": {"lr": -Infinity}}}', "", "not a JSON value"),
    ("1e999", '{"training": {"optimizer": {"lr": 1e999}}}', "/training/optimizer/lr", "finite"),
    ("not JSON", "{'name': 1}", "", "not valid JSON"),
    ("twice", '{"name": "a", "name": "b"}', "", "'name' appears twice"),
    ("deep", "[" * 100_000, "", "nested too deeply"),
    ("digits", "1" * 5000, "", "not valid JSON"),
]


@pytest.mark.parametrize("path", ["/jobs", "/jobs/validate"])
@pytest.mark.parametrize(
    ("body", "pointer", "advice"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_wrong_spec_names_its_field_and_is_not_stored(
    api: Api, path: str, body: str, pointer: str, advice: str
) -> None:
    before = api.rows()
    answer = api.http.post(path, content=body, headers=JSON)
    document = answer.json()
    problem_of(answer, 422, document["code"])
    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert advice in document["errors"][0]["detail"]
    assert document["errors"][0]["detail"].rstrip(".") in document["detail"]
    assert "input" not in document["errors"][0]
    assert api.rows() == before


def test_bytes_that_are_not_utf8_are_refused(api: Api) -> None:
    answer = api.http.post("/jobs", content=b'{"name": "\xff"}', headers=JSON)
    problem_of(answer, 422, "invalid_body")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(api: Api, kind: str) -> None:
    before = api.rows()
    answer = api.http.post("/jobs", content="{}", headers={"Content-Type": kind})
    assert "application/json" in problem_of(answer, 415, "unsupported_media_type")["detail"]
    assert api.rows() == before


def test_a_body_over_the_limit_is_refused_by_its_header_and_by_its_bytes(api: Api) -> None:
    before = api.rows()
    large = b" " * (3 * 2**20)
    announced = api.http.post("/jobs", content=large, headers=JSON)
    problem_of(announced, 413, "body_too_large")

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(large), 2**16):
            yield large[start : start + 2**16]

    for path in ("/jobs", "/predict"):
        streamed = api.http.post(path, content=chunks(), headers=JSON)
        assert "bytes" in problem_of(streamed, 413, "body_too_large")["detail"]
    assert api.rows() == before


def test_an_announced_large_body_is_refused_before_it_is_sent(api: Api) -> None:
    address = (api.http.base_url.host, api.http.base_url.port or 80)
    with socket.create_connection(address, timeout=HANG_SECONDS) as connection:
        connection.sendall(
            b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_repeated_idempotency_key_gives_the_same_job(api: Api) -> None:
    key = {"Idempotency-Key": "once"}
    first = api.http.post("/jobs", json={"name": "a", "labels": {"x": "1", "y": "2"}}, headers=key)
    again = api.http.post("/jobs", json={"labels": {"y": "2", "x": "1"}, "name": "a"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    before = api.rows()
    other = api.http.post("/jobs", json={"name": "b"}, headers=key)
    problem_of(other, 422, "idempotency_conflict")
    assert api.rows() == before


@pytest.mark.parametrize("route", ["retry", "lr-range"])
def test_what_is_made_of_a_job_is_made_once_for_a_key(api: Api, route: str) -> None:
    job_id = api.submit()
    api.http.post(f"/jobs/{job_id}/cancel")
    key = {"Idempotency-Key": f"{route} once"}
    first = api.http.post(f"/jobs/{job_id}/{route}", json={}, headers=key)
    before = api.rows()
    again = api.http.post(f"/jobs/{job_id}/{route}", json={}, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert api.rows() == before
    elsewhere = api.http.post("/jobs", json={}, headers=key)
    assert f"{route} once" in problem_of(elsewhere, 422, "idempotency_conflict")["detail"]
    assert api.rows() == before


def test_every_post_that_makes_something_takes_an_idempotency_key(api: Api) -> None:
    paths = api.http.get("/openapi.json").json()["paths"]
    posts = {path: routes["post"] for path, routes in paths.items() if "post" in routes}
    makes = {path for path, route in posts.items() if "201" in route["responses"]}
    makes.add("/models/aliases/{alias}/rollback")
    keyed = {
        path
        for path, route in posts.items()
        if any(each["name"].lower() == "idempotency-key" for each in route.get("parameters", []))
    }
    assert makes == keyed
    assert makes >= {"/jobs", "/jobs/{job_id}/retry", "/jobs/{job_id}/lr-range"}


def test_keys_sent_at_once_make_one_job(api: Api) -> None:
    found: list[str] = []

    def send() -> None:
        headers = {"Idempotency-Key": "at once"}
        found.append(httpx.post(f"{api.service.url}/jobs", headers=headers).json()["id"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def pages(api: Api, path: str, **params: Any) -> list[Any]:
    found = []
    while True:
        page = api.http.get(path, params=params).json()
        found.append(page["data"])
        if page["next"] is None:
            return found
        params["after"] = page["next"]


def test_pages_hold_every_job_once_newest_first(api: Api) -> None:
    made = [api.submit({"labels": {"paging": "yes"}}) for _ in range(5)]
    for separator in ":=":
        found = pages(api, "/jobs", label=f"paging{separator}yes", limit=2)
        assert [len(page) for page in found] == [2, 2, 1]
        assert [job["id"] for page in found for job in page] == made[::-1]


def test_presets_are_paged_like_every_list(api: Api) -> None:
    every = api.http.get("/presets").json()["data"]
    found = pages(api, "/presets", limit=2)
    assert [preset for page in found for preset in page] == every
    assert [len(page) for page in found[:-1]] == [2] * (len(found) - 1)
    last = {"after": every[-1]["name"]}
    assert api.http.get("/presets", params=last).json() == {"data": [], "next": None}
    answer = api.http.get("/presets", params={"after": "nothing"})
    assert problem_of(answer, 422, "invalid_request")["errors"][0]["parameter"] == "after"


def test_jobs_are_filtered_by_state_and_by_every_label(api: Api) -> None:
    both = api.submit({"labels": {"team": "vision", "a.b'[0]": "x=1:2"}})
    one = api.submit({"labels": {"team": "vision"}})
    api.http.post(f"/jobs/{one}/cancel")

    def found(*filters: tuple[str, str]) -> set[str]:
        answer = api.http.get("/jobs", params=httpx.QueryParams([*filters, ("limit", "100")]))
        assert answer.status_code == 200, answer.text
        return {job["id"] for job in answer.json()["data"]} & {both, one}

    assert found(("label", "team:vision")) == {both, one}
    assert found(("label", "team:vision"), ("label", "a.b'[0]:x=1:2")) == {both}
    assert found(("label", "team:vision"), ("status", "queued")) == {both}
    assert found(("status", "queued,cancelled")) == {both, one}
    assert found(("status", "queued"), ("status", "cancelled")) == {both, one}
    assert found(("label", "team:Vision")) == set()


@pytest.mark.parametrize(
    ("query", "parameter", "advice"),
    [
        ("limit=0", "limit", "at least 1"),
        ("limit=101", "limit", "at most 100"),
        ("limit=ten", "limit", "whole number"),
        ("status=done", "status", "'queued', 'running'"),
        ("label=team", "label", "key:value"),
        ('label=a"b:c', "label", "must not contain"),
        ("label=%00:c", "label", "must not contain"),
        ("label=a:1&label=a:2", "label", "once"),
        ("after=%00", "after", "NUL"),
        ("after=model_1", "after", "`next` of a page"),
    ],
)
def test_a_wrong_query_names_its_parameter(
    api: Api, query: str, parameter: str, advice: str
) -> None:
    document = problem_of(api.http.get(f"/jobs?{query}"), 422, "invalid_request")
    assert document["errors"][0]["parameter"] == parameter
    assert advice in document["errors"][0]["detail"]


@pytest.mark.parametrize("query", ["wait=-1", "wait=61", "wait=nan", "wait=x"])
def test_a_wrong_wait_is_refused(api: Api, query: str) -> None:
    problem_of(api.http.get(f"/jobs/{api.submit()}?{query}"), 422, "invalid_request")


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/job_x",
        f"/jobs/job_x?wait={LONGEST_WAIT}",
        "/jobs/job_x/events",
        "/jobs/job_x/metrics",
    ],
)
def test_an_unknown_job_is_a_404_problem(api: Api, path: str) -> None:
    began = time.monotonic()
    document = problem_of(api.http.get(path), 404, "job_not_found")
    assert "GET /jobs" in document["detail"]
    assert time.monotonic() - began < LONGEST_WAIT
