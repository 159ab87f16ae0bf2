"""The page: what it weighs, how soon it can be used, and whether ten thousand jobs scroll smoothly.

    python -m benchmarks.page

Chromium and the service share the machine. A "long task" is one that keeps the browser's main
thread for more than 50 ms (W3C, Long Tasks API).
"""

import gzip
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import insert, select
from ulid import ULID

from app.api.dashboard import page_files
from app.client import Client
from app.local import running
from app.settings import Settings
from app.store import database, tables
from benchmarks.machine import describe

JOBS = 10_000
VISITS = 15
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
BUSY = 0.2
"""Fraction of the processors in use before the measurement above which the machine is not idle."""
WATCH_LONG_TASKS = """() => {
  window.longTasks = [];
  const took = (list) => list.getEntries().map(({ duration }) => duration);
  const note = (list) => window.longTasks.push(...took(list));
  new PerformanceObserver(note).observe({ type: "longtask" });
}"""
SCROLL = """() => new Promise((done) => {
  let turns = 0;
  const turn = () => {
    scrollBy(0, 400);
    turns += 1;
    turns < 600 ? requestAnimationFrame(turn) : done();
  };
  turn();
})"""


def main() -> None:
    """Prints the page's weight, time to interactive and long tasks."""
    chromium = os.environ.get("TRAIND_TEST_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        print("skipped: there is no Chromium")
        return
    print(describe("playwright", "uvicorn"))
    used = psutil.cpu_percent(interval=2) / 100
    if used > BUSY:
        print(f"the machine was not idle: {used:.0%} of its processors were in use before")
    print(weight())
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0)
        with running(settings, settings.home / "log") as service, sync_playwright() as playwright:
            fill(settings, service.url)
            browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
            print(time_to_interactive(browser, service.url))
            print(scrolling(browser, service.url))
            browser.close()


def weight() -> str:
    """What the page's own files and the chart library weigh, as they are and compressed."""
    files = page_files().items()
    own = [file.content for name, file in files if not name.startswith("vendor/")]
    library = [file.content for name, file in files if name.startswith("vendor/uplot")]
    return f"page: {_told(own)}; chart library: {_told(library)}"


def _told(files: list[bytes]) -> str:
    plain = sum(map(len, files)) / 1000
    compressed = sum(len(gzip.compress(each)) for each in files) / 1000
    return f"{plain:.0f} kB, {compressed:.0f} kB compressed"


def fill(settings: Settings, url: str) -> None:
    """Stores ten thousand ended jobs."""
    with Client(url) as client:
        client.submit({"name": "the first"})
    opened = database.connect(settings.database)
    with opened.write() as connection:
        row = connection.execute(select(tables.jobs)).one()._asdict() | {"status": "succeeded"}
        copies = [row | {"id": f"job_{ULID()}", "name": f"copy {at}"} for at in range(JOBS - 1)]
        connection.execute(insert(tables.jobs), copies)
    opened.close()


def time_to_interactive(browser: Browser, url: str) -> str:
    """From the navigation to a view that is whole, with an empty cache each time."""
    took = []
    for _ in range(VISITS):
        page = opened(browser, f"{url}/#/jobs")
        took.append(page.evaluate("performance.now()"))
        page.context.close()
    return (
        f"{JOBS} jobs, first visit to usable list: median {statistics.median(took):.0f} ms, "
        f"slowest of {VISITS} {max(took):.0f} ms"
    )


def scrolling(browser: Browser, url: str) -> str:
    """Long tasks while the list is scrolled by 240,000 pixels."""
    page = opened(browser, f"{url}/#/jobs")
    page.evaluate(WATCH_LONG_TASKS)
    page.evaluate(SCROLL)
    found = page.evaluate("window.longTasks")
    rows = page.evaluate("document.querySelectorAll('tr[data-id]').length")
    reached = page.evaluate("scrollY")
    page.context.close()
    worst = f", the longest {max(found):.0f} ms" if found else ""
    return f"scrolled to {reached:,.0f} px: {len(found)} long tasks{worst}; {rows} rows drawn"


def opened(browser: Browser, address: str) -> Page:
    """A page of a fresh context, whose view is whole."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address)
    page.locator("#main .view[data-ready]").wait_for()
    return page


if __name__ == "__main__":
    main()
