"""The frame of the page: addresses, signing in, a service that goes away and comes back."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import insert, select
from ulid import ULID

from app.client import Client
from app.local import Service, running
from app.store import database, keys, tables
from app.store.keys import Limits, Scope
from tests import databases
from tests.page.conftest import arrived, forget, goto, hold, is_whole, picture
from tests.waiting import until

VIEWS = ["#/", "#/jobs", "#/new", "#/data", "#/models", "#/try"]
MAKE = """async () => {
  const { make } = await import("/dashboard/api.js");
  await make("/jobs", { dataset: { name: "digits" }, training: { epochs: 1 } });
}"""
SERIOUS = {"serious", "critical"}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """An API of the test's own."""
    with running(databases.settings(tmp_path), workers=0) as service:
        yield service


def restart(service: Service) -> None:
    """Kills the API and starts it again, on the same port."""
    service.processes["app"].kill()
    service.processes["app"].wait()
    service.start("app")


def serious_faults(page: Page) -> list[str]:
    """What axe-core finds on the page that keeps somebody from using it."""
    found = json.loads(json.dumps(Axe().run(page).response))["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def test_the_content_is_reached_without_leaving_the_view(page: Page) -> None:
    goto(page, "#/new")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect(page.get_by_role("heading", name="New job", level=1)).to_be_visible()
    assert page.url.endswith("#/new")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(page: Page, service: Service, scheme: str) -> None:
    spec = {"dataset": {"name": "digits"}, "training": {"epochs": 2, "optimizer": {"lr": 3.0}}}
    with Client(service.url) as client:
        job = client.submit(spec)
        list(client.watch(job["id"]))
        model = client.job(job["id"])["model"]
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    places = [*VIEWS, f"#/jobs/{job['id']}", f"#/jobs/compare?ids={job['id']},{job['id']}"]
    places += [f"#/models/{model}", f"#/try?model={model}"]
    for address in places:
        goto(page, address)
        assert serious_faults(page) == [], address


def test_an_address_that_is_none_says_so(page: Page, service: Service, faults: list[str]) -> None:
    page.goto(f"{service.url}/#/nothing/here")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page).to_have_title("No such page · traind")
    page.goto(f"{service.url}/#/jobs/job_nobody")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    expect(page.get_by_text("job_nobody")).to_be_visible()
    forget(faults, "404")


def test_a_view_says_for_which_address_it_was_drawn(page: Page) -> None:
    goto(page, "#/jobs")
    held = hold(page, "**/models?*")
    page.evaluate("location.hash = '#/models'")
    arrived(page, held, 1)
    page.evaluate("history.replaceState(null, '', '#/models?sort=accuracy')")  # as its filter does
    held[0].continue_()
    is_whole(page, "#/models")


def test_a_job_is_made_once_on_a_page_by_plain_http(page: Page) -> None:
    page.evaluate("Object.defineProperty(crypto, 'randomUUID', { value: undefined })")
    keys = []
    for _ in range(2):
        with page.expect_request(lambda sent: sent.method == "POST") as sending:
            page.evaluate(MAKE)
        keys.append(sending.value.headers["idempotency-key"])
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)
    assert keys[0] != keys[1]


def test_a_key_signs_in_and_a_revoked_one_is_asked_for_again(
    context: BrowserContext, own: Service
) -> None:
    opened = database.connect(own.settings.database)
    with opened.write() as connection:
        key, token = keys.create(connection, "anna", frozenset([Scope.READ]), Limits())
    page = context.new_page()
    page.goto(own.url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    picture(page, "sign-in")
    assert serious_faults(page) == []
    page.get_by_label("API key").fill("traind_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.get_by_label("API key").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Train your first network")).to_be_visible()
    assert page.evaluate("document.cookie") == ""  # no script reads the key
    page.get_by_role("button", name=re.compile("Train on")).click()
    expect(page.locator("#notice")).to_contain_text("scope write")
    with opened.write() as connection:
        keys.revoke(connection, key.id)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()  # its stream has ended
    with opened.write() as connection:
        _, token = keys.create(connection, "anna", frozenset([Scope.ADMIN]), Limits())
    opened.close()
    by_key = {"Authorization": f"Bearer {token}"}
    until(lambda: httpx.get(f"{own.url}/jobs", headers=by_key).status_code == 200)
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_page_goes_on_when_the_api_was_restarted(context: BrowserContext, own: Service) -> None:
    page = context.new_page()
    page.goto(own.url)
    with Client(own.url) as client:
        job = client.submit({"name": "waits"})
        goto(page, "#/jobs")
        row = page.locator(f"tr[data-id={job['id']}]")
        expect(row.locator(".state.queued")).to_be_visible()
        restart(own)
        client.pause(job["id"])
        expect(row.locator(".state.paused")).to_be_visible()
        goto(page, f"#/jobs/{job['id']}")
        restart(own)
        client.cancel(job["id"])
        expect(page.locator("main .state.cancelled")).to_be_visible()


def test_ten_thousand_jobs_are_drawn_where_they_are_seen(
    context: BrowserContext, own: Service
) -> None:
    opened = database.connect(own.settings.database)
    with Client(own.url) as client:
        first = client.submit({"name": "the first of many"})
    with opened.write() as connection:
        row = connection.execute(select(tables.jobs)).one()._asdict() | {"status": "succeeded"}
        ids = sorted(f"job_{ULID()}" for _ in range(9_999))
        copies = [row | {"id": each, "name": f"copy {at}"} for at, each in enumerate(ids)]
        connection.execute(insert(tables.jobs), copies)
    opened.close()
    page = context.new_page()
    page.goto(own.url)
    goto(page, "#/jobs")
    rows = page.locator("tr[data-id]")
    expect(page.get_by_text("copy 9998", exact=True)).to_be_visible()

    def is_at_the_end() -> bool:  # each page of 500 is asked for when its beginning comes near
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        return page.get_by_text("the first of many").count() > 0

    until(is_at_the_end)
    expect(page.locator(f"tr[data-id={first['id']}]")).to_be_visible()
    assert rows.count() < 100
