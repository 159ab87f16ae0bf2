"""Trying a model in the browser: drawn, dropped and typed inputs, what speaks for an answer, and
the loop from a mistake to a better model."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, Route, expect

from app.client import Client
from app.local import Service
from tests.page.brought import draw, drop, png
from tests.page.conftest import arrived, forget, goto, hold, picture
from tests.waiting import ended

HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
ROWS = "age,job,rich\n" + "".join(
    f"{age},{'nurse' if number % 3 else 'clerk'},{'yes' if age > 50 else 'no'}\n"
    for number, age in ((each, 20 + each * 7 % 60) for each in range(80))
)


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


def test_what_speaks_for_an_answer_lies_where_it_is(banded: Page) -> None:
    goto(banded, "#/try")
    pixels = np.zeros((28, 28), np.uint8)
    pixels[9:11] = 255  # band 3 of ten
    drop(banded, png(pixels), "band.png")
    expect(banded.locator(".answer .big")).to_have_text("class 3")
    banded.get_by_role("button", name="Why?").click()
    expect(banded.get_by_text("speaks for class 3")).to_be_visible()
    picture(banded, "try-why")
    rows = banded.locator("canvas.map").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
          return Array.from({ length: 28 }, (_, y) => data[4 * (y * 28 + 14) + 3]);
        }"""
    )
    assert max(rows) == max(rows[6:14])
    assert max(rows[20:]) == 0


def test_answers_come_while_the_pen_moves_and_none_after_the_sheet_was_cleared(
    banded: Page,
) -> None:
    goto(banded, "#/try")
    box = banded.get_by_label("Sheet to draw on").bounding_box()
    assert box is not None
    banded.mouse.move(box["x"] + 20, box["y"] + 40)
    banded.mouse.down()
    while not banded.locator(".answer").count():  # the pen never rests
        banded.mouse.move(box["x"] + 200, box["y"] + 50, steps=5)
        banded.mouse.move(box["x"] + 20, box["y"] + 40, steps=5)
    held = hold(banded, "**/predict")
    banded.mouse.move(box["x"] + 100, box["y"] + 50, steps=2)
    banded.mouse.up()
    late = arrived(banded, held, 1)
    banded.get_by_role("button", name="Clear").click()
    with banded.expect_response("**/predict"):
        late.continue_()
    expect(banded.get_by_text("Draw on the sheet")).to_be_visible()
    expect(banded.locator(".answer")).to_have_count(0)


def test_an_answer_that_comes_late_is_not_shown(banded: Page) -> None:
    goto(banded, "#/try")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        held.append(route) if not held else route.continue_()

    banded.route("**/predict", hold_the_first)
    for row in (9, 20):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[row : row + 2] = 255
        drop(banded, png(pixels), f"{row}.png")
    expect(banded.get_by_text("20.png")).to_be_visible()
    held[0].continue_()
    expect(banded.locator(".answer .big")).to_have_text("class 7")


def test_many_pictures_are_a_table_and_one_that_is_none_says_so(
    banded: Page, faults: list[str]
) -> None:
    goto(banded, "#/try")
    pixels = np.zeros((28, 28), np.uint8)
    pixels[0:2] = 255
    drop(banded, png(pixels), "a.png", "b.png", "c.png")
    cells = banded.get_by_role("region", name="Answers").get_by_role("cell", name="class 0")
    expect(cells).to_have_count(3)
    picture(banded, "try-many")
    drop(banded, b"no picture", "broken.png")
    expect(banded.locator("main .fault").first).to_contain_text("image")
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
