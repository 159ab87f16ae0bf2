"""The page: its weight, how soon it can be used, ten thousand jobs, and drawing while a job trains.

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

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import insert, select
from ulid import ULID

from app.api.dashboard import page_files
from app.client import Client
from app.local import running
from app.settings import Settings
from app.store import database, tables
from benchmarks.estimate import ended
from benchmarks.machine import described_when_idle

JOBS = 10_000
VISITS = 15
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
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


STROKES = 12
MODEL = {"preset": "digits", "training": {"epochs": 5}}
LONG = {"dataset": {"name": "digits"}, "training": {"epochs": 10_000, "log_every": 10_000}}
WATCH_ANSWERS = """(canvas) => {
  window.took = [];
  let moved = null;
  canvas.addEventListener("pointermove", () => (moved ??= performance.now()));
  const answered = () => {
    if (moved !== null) window.took.push(performance.now() - moved);
    moved = null;
  };
  const place = document.querySelector("[aria-live=polite]");
  new MutationObserver(answered).observe(place, { attributes: true });
}"""


def main() -> None:
    """Prints the page's weight, time to interactive, long tasks, and time from pen to answer."""
    chromium = os.environ.get("TRAIND_TEST_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        print("skipped: there is no Chromium")
        return
    print(described_when_idle("playwright", "uvicorn"))
    print(weight())
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0)
        with running(settings, settings.home / "log") as service, sync_playwright() as playwright:
            fill(settings, service.url)
            browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
            print(time_to_interactive(browser, service.url))
            print(scrolling(browser, service.url))
            print(drawing(browser, service.url))
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
        ended(client, client.submit(MODEL))
    opened = database.connect(settings.database)
    with opened.write() as connection:
        row = connection.execute(select(tables.jobs)).one()._asdict() | {"chain": None}
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


def drawing(browser: Browser, url: str) -> str:
    """From a movement of the pen to the answer that follows it, while a job trains."""
    with Client(url) as client:
        model = ended(client, client.submit(MODEL))["model"]
        job = client.submit(LONG)
        while client.job(job["id"], wait=30)["progress"] is None:
            pass
        page = opened(browser, f"{url}/#/try?model={model}")
        sheet = page.get_by_label("Sheet to draw on")
        sheet.evaluate(WATCH_ANSWERS)
        box = sheet.bounding_box()
        assert box is not None
        for number in range(STROKES):
            x = box["x"] + box["width"] * (number + 1) / (STROKES + 1)
            page.mouse.move(x, box["y"] + 20)
            page.mouse.down()
            page.mouse.move(x, box["y"] + box["height"] - 20, steps=60)
            page.mouse.up()
        took = sorted(page.evaluate("window.took"))
        page.context.close()
        client.cancel(job["id"])
    p95 = took[int(0.95 * (len(took) - 1))]
    return (
        f"from pen to answer while a job trains: median {statistics.median(took):.0f} ms, "
        f"p95 {p95:.0f} ms, {len(took)} answers"
    )


def opened(browser: Browser, address: str) -> Page:
    """A page of a fresh context, whose view is whole."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address)
    page.locator("#main .view[data-ready]").wait_for()
    return page


if __name__ == "__main__":
    main()
