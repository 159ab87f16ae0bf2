"""The page in a real browser: Debian's Chromium, driven by playwright, against real processes.

TRAIND_TEST_CHROMIUM names another browser of Chromium's kind. Where there is none, these tests are
skipped. TRAIND_TEST_PICTURES names a folder for the pictures of the page that tests take.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from app.local import Service
from app.settings import Settings

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


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An API and a worker, on a home of their own."""
    service = Service(Settings(home=tmp_path_factory.mktemp("home"), port=0))
    try:
        service.start("app", "worker")
        yield service
    finally:
        service.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, service: Service) -> Iterator[Page]:
    """The page of `service`. The test fails at its end if the page has logged an error.

    A refused request is logged by the browser itself; a test that provokes one says so by
    `expect_faults(page)`.
    """
    page = context.new_page()
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(f"{message.text} ({message.location.get('url', '')})")

    page.on("console", note)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.faults = faults  # type: ignore[attr-defined]
    page.goto(service.url)
    yield page
    assert not faults, faults


def expect_faults(page: Page, *parts: str) -> None:
    """Forgets the logged errors that contain one of these texts."""
    faults: list[str] = page.faults  # type: ignore[attr-defined]
    faults[:] = [each for each in faults if not any(part in each for part in parts)]


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
