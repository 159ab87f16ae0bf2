"""The page in a real browser: Debian's Chromium, driven by playwright, against real processes.

TRAIND_TEST_CHROMIUM names another browser of Chromium's kind. Where there is none, these tests are
skipped. TRAIND_TEST_PICTURES names a folder for the pictures of the page that tests take.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
    expect,
    sync_playwright,
)

from app.client import Client
from app.local import Service
from tests.service.conftest import Api
from tests.waiting import ended, until

CHROMIUM = os.environ.get("TRAIND_TEST_CHROMIUM") or shutil.which("chromium")
PICTURES = os.environ.get("TRAIND_TEST_PICTURES")
OPTIONS = [
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 120_000
"""How long a test waits for something to appear: a guard against hanging, on a busy machine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one file.

    Not for all: while playwright runs, no other test of the process could call `asyncio.run`.
    """
    expect.set_options(timeout=PATIENCE_MS)
    if not CHROMIUM:
        pytest.skip("no Chromium: install Debian's chromium, or name one in TRAIND_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=OPTIONS, timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def faults(context: BrowserContext) -> Iterator[list[str]]:
    """What the pages of `context` log as errors or throw. At its end the test fails if any is left.

    The browser logs each refused request itself; a test that provokes one says so by `forget`.
    """
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.append(f"{message.text} ({message.location.get('url', '')})")

    context.on("console", note)
    context.on("weberror", lambda thrown: found.append(str(thrown.error)))
    yield found
    assert not found, found


def forget(faults: list[str], *texts: str) -> None:
    """Drops the errors that contain one of these texts."""
    faults[:] = [each for each in faults if not any(text in each for text in texts)]


@pytest.fixture
def page(context: BrowserContext, service: Service, faults: list[str]) -> Page:  # noqa: ARG001
    """The page of `service`, which may log no error."""
    page = context.new_page()
    page.goto(service.url)
    return page


@pytest.fixture(scope="module")
def digits(service: Service) -> dict[str, Any]:
    """A model of scikit-learn's digits."""
    spec = {"preset": "digits", "training": {"epochs": 8}, "name": "digits to try"}
    with Client(service.url) as client:
        return client.model(ended(client, client.submit(spec))["model"])


@pytest.fixture
def bands(fresh: Api) -> Api:
    """An API with a model that tells which of ten bands of rows is bright."""
    fresh.publish()
    return fresh


@pytest.fixture
def banded(context: BrowserContext, bands: Api, faults: list[str]) -> Page:  # noqa: ARG001
    """The page of `bands`, which may log no error."""
    page = context.new_page()
    page.goto(bands.service.url)
    return page


def goto(page: Page, address: str) -> None:
    """Shows another view of the page, `#/jobs`, and waits until it is drawn."""
    page.goto(page.url.partition("#")[0] + address)
    is_whole(page, address)


def is_whole(page: Page, address: str) -> None:
    """Waits until the view of this address is drawn: the view before it may still stand there."""
    expect(page.locator(f"#main .view[data-ready={json.dumps(address)}]")).to_be_attached()


def hold(page: Page, address: str) -> list[Route]:
    """Requests to this address from now on, in their order; none goes on by itself."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(address, keep)
    return held


def arrived(page: Page, held: list[Route], count: int) -> Route:
    """The request of this number, counted from 1, once it was made."""
    until(lambda: page.evaluate("1") and len(held) >= count)
    return held[count - 1]


def picture(page: Page, name: str) -> None:
    """Takes the page's picture at 1280 and 390 pixels, light and dark, if a folder was named."""
    if not PICTURES:
        return
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    for width, scheme in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        path = f"{PICTURES}/{name}-{width}-{scheme}.png"
        page.screenshot(path=path, full_page=True, animations="disabled")
    page.emulate_media(color_scheme="light")
    if size:
        page.set_viewport_size(size)
