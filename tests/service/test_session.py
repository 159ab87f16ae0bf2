"""Sessions of browsers: a key becomes a cookie, which opens what the key opens and no more."""

from collections.abc import Iterator

import httpx
import pytest

from app.store import keys
from app.store.keys import Limits, Scope
from tests.service.conftest import Api, problem_of, serving
from tests.waiting import until


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("guarded")) as api:
        yield api


def token_of(api: Api, *scopes: Scope) -> tuple[str, str]:
    """Id and token of a new key, once the API has seen it."""
    with api.database.write() as connection:
        key, token = keys.create(connection, "browser", frozenset(scopes), Limits())
    headers = {"Authorization": f"Bearer {token}"}
    until(lambda: api.http.get("/session", headers=headers).status_code == 200)
    until(lambda: api.http.get("/session", headers=headers).json()["key"] is not None)
    return key.id, token


@pytest.fixture
def browser(guarded: Api) -> Iterator[httpx.Client]:
    """A client that keeps cookies."""
    with httpx.Client(base_url=guarded.service.url, timeout=30) as client:
        yield client


def test_a_key_becomes_a_cookie_that_no_script_reads(guarded: Api, browser: httpx.Client) -> None:
    key_id, token = token_of(guarded, Scope.READ)
    problem_of(browser.get("/jobs"), 401, "unauthorized")
    assert browser.get("/session").json() == {"asks_for_keys": True, "key": None}
    answer = browser.post("/session", json={"key": f" {token}\n"})
    assert answer.json()["key"] == {"id": key_id, "name": "browser", "scopes": ["read"]}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age" not in cookie  # it ends with the browser
    assert browser.get("/jobs").status_code == 200
    assert browser.get("/session").json()["key"]["id"] == key_id
    problem_of(browser.post("/jobs", json={}), 403, "forbidden")
    assert browser.delete("/session").status_code == 204
    problem_of(browser.get("/jobs"), 401, "unauthorized")


def test_what_is_no_key_signs_nobody_in(guarded: Api, browser: httpx.Client) -> None:
    _, token = token_of(guarded, Scope.READ)
    for wrong in ("", "traind_", token[:-1], token + "x"):
        answer = browser.post("/session", json={"key": wrong})
        problem_of(answer, 401, "unauthorized")
        assert "set-cookie" not in answer.headers
    problem_of(browser.post("/session", json={}), 422, "invalid_request")


def test_a_revoked_key_ends_its_session_and_the_page_still_loads(
    guarded: Api, browser: httpx.Client
) -> None:
    key_id, token = token_of(guarded, Scope.READ)
    browser.post("/session", json={"key": token})
    with browser.stream("GET", "/jobs/changes") as stream:
        assert stream.status_code == 200
        with guarded.database.write() as connection:
            keys.revoke(connection, key_id)
        assert stream.read() is not None  # the open stream ends, too
    problem_of(browser.get("/jobs"), 401, "unauthorized")
    assert browser.get("/").status_code == 200
    assert browser.get("/session").json()["key"] is None


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},  # another port of the same site: SameSite lets it pass
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_pages_of_other_origins_cannot_use_a_session(
    guarded: Api, browser: httpx.Client, sent: dict[str, str]
) -> None:
    _, token = token_of(guarded, Scope.ADMIN)
    sign_in = browser.post("/session", json={"key": token}, headers=sent)
    browser.post("/session", json={"key": token})
    before = guarded.rows()
    for refused in (sign_in, browser.post("/jobs", json={}, headers=sent)):
        detail = problem_of(refused, 403, "cross_site")["detail"]
        assert "has no keys" not in detail
        assert "Host" in detail
        assert "TRAIND_ALLOWED_HOSTS" in detail
    assert guarded.rows() == before
    own = {"Origin": guarded.service.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/jobs", json={}, headers=own).status_code == 201
    by_key = {**sent, "Authorization": f"Bearer {token}"}  # a key is nothing that a browser adds
    assert browser.get("/jobs", headers=by_key).status_code == 200


def test_without_keys_nobody_signs_in(api: Api) -> None:
    assert api.http.get("/session").json() == {"asks_for_keys": False, "key": None}
    problem_of(api.http.post("/session", json={"key": "traind_x"}), 401, "unauthorized")
