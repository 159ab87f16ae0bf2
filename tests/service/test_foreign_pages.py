"""While there is no key: what a browser sends for a foreign page is refused, programs are not."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.origins import CrossSite, ForeignHost, Origins
from app.main import create_app
from app.settings import Settings
from app.store import keys
from app.store.keys import Limits, Scope
from tests import databases
from tests.service.conftest import Api, band, problem_of

EVIL = "https://evil.example"
CHANGES = [("POST", "/jobs"), ("POST", "/jobs/job_x/cancel"), ("POST", "/predict")]
CHANGES += [("PUT", "/models/aliases/mine"), ("DELETE", "/models/x"), ("PATCH", "/models/x")]


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": EVIL, "Content-Type": "text/plain"},
        {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Origin": "null"},  # a sandboxed frame, a file
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},  # another port
        {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},  # a form of another site
    ],
)
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_foreign_page_changes_nothing(
    api: Api, method: str, path: str, sent: dict[str, str]
) -> None:
    before = api.rows()
    problem_of(api.http.request(method, path, headers=sent), 403, "cross_site")
    assert api.rows() == before


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil", "a b"]
)
def test_a_name_that_was_made_to_resolve_to_this_machine_reads_nothing(api: Api, host: str) -> None:
    for method, path in [("GET", "/jobs"), ("GET", "/models"), ("GET", "/metrics"), *CHANGES]:
        answer = api.http.request(method, path, headers={"Host": host})
        assert "TRAIND_ALLOWED_HOSTS" in problem_of(answer, 403, "foreign_host")["detail"]
    answer = api.http.get("/v2", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]


def test_a_page_of_another_site_includes_nothing_but_may_link_here(api: Api) -> None:
    included = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    problem_of(api.http.get("/jobs", headers=included), 403, "cross_site")
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert api.http.get("/jobs", headers=link).status_code == 200
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
    assert api.http.get("/jobs", headers=typed).status_code == 200


def test_programs_and_the_own_page_go_on(api: Api) -> None:
    port = api.service.settings.port
    api.publish()
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST", f"[::1]:{port}", "[::1]"):
        own = {"Host": host, "Origin": f"http://{host.lower()}", "Sec-Fetch-Site": "same-origin"}
        for headers in ({"Host": host}, own):
            assert api.http.get("/jobs", headers=headers).status_code == 200
            assert api.http.post("/jobs", json={}, headers=headers).status_code == 201
            answer = api.http.post("/predict", json={"inputs": [band(1)]}, headers=headers)
            assert answer.status_code == 200
    for host in ("app.localhost", "192.168.1.7:8000", "[fe80::1]:80", "localhost.:8000"):
        assert api.http.get("/jobs", headers={"Host": host}).status_code == 200, host


def test_probes_and_the_documentation_answer_under_any_name(api: Api) -> None:
    for path in ("/healthz", "/readyz", "/v2/health/live", "/docs", "/openapi.json"):
        assert api.http.get(path, headers={"Host": "lb.internal.example"}).status_code == 200


def test_with_keys_any_name_may_stand_before_the_service(fresh: Api) -> None:
    with fresh.database.write() as connection:
        _, token = keys.create(connection, "x", frozenset([Scope.ADMIN]), Limits())
    proxied = {"Host": "traind.example", "Origin": "https://traind.example"}
    headers = proxied | {"Authorization": f"Bearer {token}"}
    while fresh.http.get("/jobs").status_code == 200:  # the key is not known yet
        pass
    assert fresh.http.get("/jobs", headers=headers).status_code == 200
    assert fresh.http.post("/jobs", json={}, headers=headers).status_code == 201
    problem_of(fresh.http.get("/jobs", headers=proxied), 401, "unauthorized")


def test_an_application_in_a_test_client_answers_under_the_clients_name(tmp_path: Path) -> None:
    async def ask() -> None:
        app = create_app(databases.settings(tmp_path))
        async with app.router.lifespan_context(app) as state:

            async def with_state(scope: Any, receive: Any, send: Any) -> None:
                await app(scope | {"state": dict(state)}, receive, send)

            transport = httpx.ASGITransport(with_state)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                assert (await http.get("/jobs")).status_code == 200
                assert (await http.post("/jobs", json={})).status_code == 201
                foreign = await http.get("/jobs", headers={"Host": "evil.example"})
                problem_of(foreign, 403, "foreign_host")

    asyncio.run(ask())


def scope(method: str = "GET", **headers: str) -> dict[str, Any]:
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"method": method, "headers": listed, "server": ("127.0.0.1", 8000)}


def test_the_setting_names_hosts_and_whose_pages_may_ask() -> None:
    settings = Settings(allowed_hosts="traind.example, Studio.example:3000,,", host="mybox")
    origins = Origins.of(settings)
    for host in ("traind.example", "TRAIND.example:8443", "mybox:8000", "127.0.0.1"):
        origins.check(scope(host=host))
    for name in ("www.traind.example", "traind.example.evil", "other"):
        with pytest.raises(ForeignHost):
            origins.check(scope(host=name))
    origins.check(scope("POST", host="127.0.0.1:8000", origin="https://traind.example"))
    cross = {"sec_fetch_site": "cross-site"}
    origins.check(scope("POST", host="localhost", origin="http://studio.example:3000", **cross))
    with pytest.raises(CrossSite):
        origins.check(scope("POST", host="localhost", origin="http://studio.example:4000"))


def test_containers_reach_an_unprotected_service_by_plain_names() -> None:
    with pytest.raises(ForeignHost):
        Origins.of(Settings()).check(scope(host="api:8000"))
    unprotected = Origins.of(Settings(unprotected=True, host="0.0.0.0"))  # noqa: S104
    unprotected.check(scope(host="api:8000"))
    with pytest.raises(ForeignHost):
        unprotected.check(scope(host="evil.example:8000"))


def test_no_host_hides_behind_a_second_one() -> None:
    doubled = scope(host="localhost")
    doubled["headers"] = [(b"host", b"localhost"), (b"host", b"evil.example")]
    with pytest.raises(ForeignHost):
        Origins().check(doubled)


def test_a_request_without_a_host_is_a_programs() -> None:
    Origins().check(scope("POST"))
