"""Trying a model in the browser: drawn, dropped and typed inputs, what speaks for an answer, and
the loop from a mistake to a better model."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, Route, expect

from app.client import Client
from app.local import Service
from tests.page.conftest import forget, goto, picture
from tests.service.conftest import Api, serving
from tests.waiting import ended, until

HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
ROWS = "age,job,rich\n" + "".join(
    f"{age},{'nurse' if number % 3 else 'clerk'},{'yes' if age > 50 else 'no'}\n"
    for number, age in ((each, 20 + each * 7 % 60) for each in range(80))
)
DROP = """([name, encoded]) => {
  const bytes = Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0));
  const data = new DataTransfer();
  const files = name.split(" ").map((each) => new File([bytes], each, { type: "image/png" }));
  for (const file of files) data.items.add(file);
  dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def digits(service: Service) -> dict[str, Any]:
    """A model of scikit-learn's digits."""
    spec = {"preset": "digits", "training": {"epochs": 8}, "name": "digits to try"}
    with Client(service.url) as client:
        return client.model(ended(client, client.submit(spec))["model"])


@pytest.fixture
def bands(tmp_path: Path) -> Iterator[Api]:
    """An API with a model that tells which of ten bands of rows is bright."""
    with serving(tmp_path) as api:
        api.publish()
        yield api


@pytest.fixture
def own(context: BrowserContext, bands: Api, faults: list[str]) -> Page:  # noqa: ARG001
    """The page of `bands`, which may log no error."""
    page = context.new_page()
    page.goto(bands.service.url)
    return page


def draw(page: Page, *strokes: list[tuple[float, float]]) -> None:
    """Draws polylines with the mouse; places are fractions of the sheet."""
    box = page.get_by_label("Sheet to draw on").bounding_box()
    assert box is not None
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
            if index == 0:
                page.mouse.down()
        page.mouse.up()


def answered(page: Page) -> str:
    return page.locator(".answer .big").inner_text()


def png(pixels: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


SEVEN = [(0.25, 0.15), (0.75, 0.15), (0.45, 0.9)]


def test_the_answer_follows_the_drawing(page: Page, digits: Any) -> None:
    goto(page, f"#/try?model={digits['id']}")
    draw(page, SEVEN)
    expect(page.locator(".answer .big")).to_have_text("7")
    seen = page.get_by_role("img", name="What the network sees")
    expect(seen).to_be_visible()
    assert seen.evaluate("(canvas) => [canvas.width, canvas.height]") == [8, 8]
    picture(page, "try-drawn")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".answer")).to_have_count(0)
    draw(page, SEVEN)
    expect(page.locator(".answer .big")).to_have_text("7")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".answer")).to_have_count(0)
    expect(page.get_by_role("button", name="Why?")).to_be_hidden()


def test_what_speaks_for_an_answer_lies_where_it_is(own: Page) -> None:
    goto(own, "#/try")
    pixels = np.zeros((28, 28), np.uint8)
    pixels[9:11] = 255  # band 3 of ten
    own.evaluate(DROP, ["band.png", png(pixels)])
    expect(own.locator(".answer .big")).to_have_text("class 3")
    own.get_by_role("button", name="Why?").click()
    expect(own.get_by_text("speaks for class 3")).to_be_visible()
    picture(own, "try-why")
    rows = own.locator("canvas.map").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
          return Array.from({ length: 28 }, (_, y) => data[4 * (y * 28 + 14) + 3]);
        }"""
    )
    assert max(rows) == max(rows[6:14])
    assert max(rows[20:]) == 0


def test_answers_come_while_the_pen_moves_and_none_after_the_sheet_was_cleared(own: Page) -> None:
    goto(own, "#/try")
    box = own.get_by_label("Sheet to draw on").bounding_box()
    assert box is not None
    own.mouse.move(box["x"] + 20, box["y"] + 40)
    own.mouse.down()
    while not own.locator(".answer").count():  # the pen never rests
        own.mouse.move(box["x"] + 200, box["y"] + 50, steps=5)
        own.mouse.move(box["x"] + 20, box["y"] + 40, steps=5)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    own.route("**/predict", hold)
    own.mouse.move(box["x"] + 100, box["y"] + 50, steps=2)
    own.mouse.up()
    until(lambda: own.evaluate("1") and held)
    own.get_by_role("button", name="Clear").click()
    with own.expect_response("**/predict"):
        held[0].continue_()
    expect(own.get_by_text("Draw on the sheet")).to_be_visible()
    expect(own.locator(".answer")).to_have_count(0)


def test_an_answer_that_comes_late_is_not_shown(own: Page) -> None:
    goto(own, "#/try")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        held.append(route) if not held else route.continue_()

    own.route("**/predict", hold_the_first)
    for row in (9, 20):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[row : row + 2] = 255
        own.evaluate(DROP, [f"{row}.png", png(pixels)])
    expect(own.get_by_text("20.png")).to_be_visible()
    held[0].continue_()
    expect(own.locator(".answer .big")).to_have_text("class 7")


def test_many_pictures_are_a_table_and_one_that_is_none_says_so(
    own: Page, faults: list[str]
) -> None:
    goto(own, "#/try")
    pixels = np.zeros((28, 28), np.uint8)
    pixels[0:2] = 255
    own.evaluate(DROP, ["a.png b.png c.png", png(pixels)])
    expect(own.get_by_role("region", name="Answers").get_by_text("class 0")).to_have_count(3)
    picture(own, "try-many")
    own.evaluate(DROP, ["broken.png", base64.b64encode(b"no picture").decode()])
    expect(own.locator("main .fault").first).to_contain_text("image")
    forget(faults, "422")


def test_a_row_is_typed_and_explained(
    page: Page, service: Service, tmp_path: Path, faults: list[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS.replace("nurse", HOSTILE.replace('"', "'")))
    spec = {"preset": "table", "dataset": {"name": "people"}, "training": {"epochs": 20}}
    with Client(service.url) as client:
        client.datasets.add("people", path, table={"target": "rich"})
        model = ended(client, client.submit(spec))["model"]
    goto(page, f"#/try?model={model}")
    age = page.get_by_label("age", exact=True)
    age.fill("22")
    expect(page.locator(".answer .big")).to_have_text("no")
    age.fill("95")
    expect(page.locator(".answer .big")).to_have_text("yes")
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("ol.classes").last.get_by_role("listitem").first).to_contain_text("age")
    picture(page, "try-row")
    page.get_by_label("job", exact=True).fill("astronaut")
    expect(page.locator(".doubts")).to_contain_text("astronaut")
    age.fill("old")
    expect(page.locator("main .fault")).to_contain_text("old")
    expect(page.locator("img[src=x]")).to_have_count(0)
    forget(faults, "422")


def test_from_a_mistake_to_the_next_model(page: Page, service: Service, digits: Any) -> None:
    goto(page, f"#/try?model={digits['id']}")
    draw(page, SEVEN)
    expect(page.locator(".answer .big")).to_have_text("7")
    page.get_by_text("That is wrong").click()
    page.get_by_label("It is a").select_option("1")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("1,438 training pictures")).to_be_visible()
    picture(page, "try-corrected")
    page.get_by_role("button", name="Keep it").click()  # once more: both are kept
    expect(page.get_by_text("1,439 training pictures")).to_be_visible()
    page.get_by_role("button", name="Train again").click()
    expect(page.locator("main .state.succeeded")).to_be_visible()
    expect(page.get_by_label("Specification")).to_contain_text("digits-corrected")
    with Client(service.url) as client:
        job = client.job(page.url.rpartition("/")[2])
        assert client.compare(digits["id"], job["model"])["images"] == 360
    page.get_by_role("link", name="Try the model").click()
    draw(page, SEVEN)
    expect(page.locator(".answer .big")).to_have_text(re.compile("[17]"))
