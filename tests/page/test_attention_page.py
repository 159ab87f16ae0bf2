"""The start page says what needs attention: failures, a queue without a worker, a full disk."""

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from app.codes import FailureCode
from tests import runs
from tests.page.conftest import goto, picture
from tests.service.conftest import Api

REASON = "The loss is <img src=x onerror=\"document.title='broken'\"> since step 12."


@pytest.fixture
def start(context: BrowserContext, fresh: Api, faults: list[str]) -> Page:  # noqa: ARG001
    """The page of an API without a worker, which may log no error."""
    page = context.new_page()
    page.goto(fresh.service.url)
    return page


def attention(page: Page) -> Locator:
    return page.locator(".attention", has=page.get_by_role("heading", name="Needs attention"))


def fail(api: Api, name: str) -> str:
    """A job that has failed."""
    job = api.submit({"name": name})
    lease = api.start(job)
    with api.database.write() as connection:
        runs.fail(connection, lease, FailureCode.DIVERGED, REASON)
    return job


def test_a_failed_job_is_named_with_its_reason(start: Page, fresh: Api) -> None:
    job = fail(fresh, "went <b>wrong</b>")
    goto(start, "#/")
    expect(attention(start)).to_contain_text(f"went <b>wrong</b> failed: {REASON}")
    expect(start.locator("main b, main img")).to_have_count(0)
    picture(start, "start-attention")
    attention(start).get_by_role("link", name="went <b>wrong</b>").click()
    expect(start).to_have_url(f"{fresh.service.url}/#/jobs/{job}")


def test_a_queue_without_a_worker_is_named(start: Page, fresh: Api) -> None:
    fail(fresh, "has failed")
    goto(start, "#/")
    expect(attention(start)).to_contain_text("No worker is alive; the next job would wait.")
    fresh.submit({"name": "waits"})
    expect(attention(start)).to_contain_text("No worker is alive, so jobs wait.")
    expect(attention(start).get_by_text("traind serve")).to_be_visible()
    expect(
        start.get_by_role("region", name="Now").get_by_role("link", name="waits")
    ).to_be_visible()


def test_a_full_disk_is_named(start: Page, fresh: Api) -> None:
    fail(fresh, "has failed")

    def fill(route: Route) -> None:
        found = route.fetch().json()
        route.fulfill(json=found | {"free_bytes": 1_500_000_000})

    start.route("**/overview", fill)
    goto(start, "#/jobs")
    goto(start, "#/")
    expect(attention(start)).to_contain_text("Only 1.5 GB are free")


def test_a_service_that_works_needs_no_attention(page: Page) -> None:
    page.get_by_role("button", name="Train on digits").click()
    expect(page.locator(".state.succeeded").first).to_be_visible()
    goto(page, "#/")
    expect(page.get_by_role("heading", name="Newest models")).to_be_visible()
    expect(attention(page)).to_have_count(0)
