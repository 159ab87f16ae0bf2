"""Drawing for a model: in colours, on a sheet of the shape of its input, and never lost."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests import runs
from tests.page import test_try_files as files
from tests.page.brought import draw, drop, png
from tests.page.conftest import arrived, forget, goto, hold, picture
from tests.service.conftest import Api, banded_model

HEIGHT, WIDTH = 16, 48
PREPARED = {"fit": "crop", "ground": [0, 0, 0]}
LEFT = [(0.05, 0.3), (0.28, 0.5), (0.05, 0.7)]
SEEN = """(canvas) => {
  const { width, height } = canvas;
  return [...canvas.getContext("2d").getImageData(0, 0, width, height).data];
}"""


def publish(api: Api, **signature: Any) -> str:
    """A model that says which of three channels is brightest (class 0, 3 or 6), and in which third
    of the columns (plus 0, 1 or 2)."""
    lease = api.start(api.submit())
    plain = banded_model(shape=(3, HEIGHT, WIDTH))
    graph = onnx.load_model_from_string(plain.files["onnx"])
    weights = np.zeros((3, HEIGHT, WIDTH, 10), np.float32)
    for channel in range(3):
        for third in range(3):
            columns = slice(third * WIDTH // 3, (third + 1) * WIDTH // 3)
            weights[channel, :, columns, 3 * channel + third] = 0.001
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights.reshape(-1, 10), "weights"))
    graphed = plain.files | {"onnx": bytes(graph.SerializeToString())}
    made = plain.signature | {"pixel_range": [0, 255], "preparation": PREPARED} | signature
    with api.database.write() as connection:
        return runs.succeed(connection, lease, replace(plain, signature=made, files=graphed))


@pytest.fixture
def coloured(context: BrowserContext, fresh: Api, faults: list[str]) -> Page:  # noqa: ARG001
    """The page of an API with a model of wide pictures in colours."""
    publish(fresh)
    page = context.new_page()
    page.goto(fresh.service.url)
    return page


def answer(page: Page) -> Any:
    return expect(page.locator(".answer .big"))


def seen(page: Page, selector: str) -> Any:
    """The pixels of a canvas, (height, width, RGBA)."""
    return np.array(page.locator(selector).evaluate(SEEN)).reshape(HEIGHT, WIDTH, 4)


def test_a_wide_sheet_is_drawn_on_in_colours(coloured: Page) -> None:
    goto(coloured, "#/try")
    box = coloured.get_by_label("Sheet to draw on").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.05)
    expect(coloured.get_by_label("Ground")).to_have_value("#000000")  # the model's own
    for colour, label in [("red", "class 0"), ("green", "class 3"), ("blue", "class 6")]:
        coloured.get_by_title(colour, exact=True).click()
        draw(coloured, LEFT)
        answer(coloured).to_have_text(label)
        expect(coloured.get_by_role("button", name="Why?")).to_be_visible()
    picture(coloured, "try-colours")
    pixels = seen(coloured, "canvas[aria-label='What the network sees']")
    blue = (pixels[..., 2] > 180) & (pixels[..., 0] < 90)
    assert blue[:, : WIDTH // 3].any()
    assert not blue[:, WIDTH // 3 :].any()
    coloured.get_by_label("blue", exact=True).focus()
    coloured.keyboard.press("ArrowRight")  # to what rubs out
    expect(coloured.get_by_label("rub out")).to_be_checked()
    draw(coloured, LEFT)
    expect(coloured.get_by_role("button", name="Why?")).to_be_visible()
    coloured.get_by_label("Ground").fill("#ff0000")
    draw(coloured, [(0.9, 0.5)])
    expect(coloured.get_by_role("button", name="Why?")).to_be_visible()
    pixels = seen(coloured, "canvas[aria-label='What the network sees']")
    assert (
        np.abs(pixels[..., :3] - [255, 0, 0]).max() < 60
    )  # what rubs out has the new ground's colour


def test_the_map_of_a_wide_coloured_picture_has_a_legend_with_its_values(coloured: Page) -> None:
    goto(coloured, "#/try")
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[4:12, 20:28, 1] = 40  # green, in the middle
    pixels[4:12, 2:8, 0] = 20  # some red speaks against it
    drop(coloured, png(pixels), "green.png")
    answer(coloured).to_have_text("class 4")
    coloured.get_by_role("button", name="Why?").click()
    expect(coloured.get_by_text("speaks for class 4")).to_be_visible()
    picture(coloured, "try-why-colours")
    alpha = seen(coloured, "canvas.map")[..., 3]
    assert alpha[4:12, 20:28].min() > alpha[:, 34:].max()
    assert seen(coloured, "canvas.map")[8, 24, 0] > 200  # orange
    assert seen(coloured, "canvas.map")[8, 5, 2] > 150  # blue

    def probability(without: str) -> float:
        shown = pixels.copy()
        shown[..., {"red": 0, "green": 1}.get(without, 2)] = 0
        sums = np.array([
            shown[:, third * 16 : third * 16 + 16, channel].sum()
            for channel in range(3) for third in range(3)
        ] + [0])  # fmt: skip
        odds = np.exp(sums * 0.001)
        return float(odds[4] / odds.sum())

    legend = coloured.locator(".tints").locator("..").inner_text()
    least, greatest = (float(each.replace("−", "-")) for each in legend.split()[:2])
    assert "percentage points" in legend
    fall, rise = (100 * (probability("") - probability(each)) for each in ("green", "red"))
    assert 0.2 * fall < greatest <= fall + 0.1
    assert rise - 0.1 <= least < 0
    layers = coloured.locator(".layers").last.bounding_box()
    assert layers is not None
    assert layers["width"] / layers["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.05)


def test_a_stroke_outlives_late_answers_and_another_size(banded: Page) -> None:
    goto(banded, "#/try")
    held = hold(banded, "**/predict")
    sheet = banded.get_by_label("Sheet to draw on")
    box = sheet.bounding_box()
    assert box is not None
    banded.mouse.move(box["x"] + 30, box["y"] + 60)
    banded.mouse.down()
    banded.mouse.move(box["x"] + 150, box["y"] + 60, steps=5)
    late = arrived(banded, held, 1)
    banded.set_viewport_size({"width": 390, "height": 900})
    with banded.expect_response("**/predict"):
        late.continue_()
    box = sheet.bounding_box()
    assert box is not None
    banded.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"], steps=5)
    banded.mouse.up()
    pixels = np.array(sheet.evaluate(SEEN)).reshape(336, 336, 4)[..., 0]
    assert (pixels[60, 40:140] < 30).all()  # from before
    assert pixels[302, 302] < 30  # from after
    banded.unroute("**/predict")


def test_a_drawing_outlives_a_lost_model_and_another_view(
    banded: Page, bands: Api, faults: list[str]
) -> None:
    first, second = (files.publish(bands, preparation=files.STRETCHED) for _ in range(2))
    line = [(0.2, 0.55), (0.8, 0.55)]
    goto(banded, f"#/try?model={first}")
    draw(banded, line)
    expect(banded.get_by_role("button", name="Why?")).to_be_visible()  # no request is under way
    assert bands.http.delete(f"/models/{first}").status_code == 204
    draw(banded, line[::-1])
    expect(banded.get_by_role("heading", name="This model is gone")).to_be_visible()
    banded.get_by_label("Model", exact=True).select_option(second)
    answer(banded).to_have_text("class 5")  # of the same drawing
    goto(banded, "#/jobs")
    goto(banded, f"#/try?model={second}")
    answer(banded).to_have_text("class 5")
    for _ in range(2):
        banded.keyboard.press("Control+z")  # both strokes are there, the second as a whole
    expect(banded.get_by_text("Draw on the sheet")).to_be_visible()
    forget(faults, "404")


def test_the_last_stroke_is_taken_back_by_keys_even_while_it_is_drawn(
    banded: Page, bands: Api
) -> None:
    goto(banded, f"#/try?model={files.publish(bands, preparation=files.STRETCHED)}")
    draw(banded, [(0.2, 0.16), (0.8, 0.16)])
    answer(banded).to_have_text("class 1")
    draw(banded, [(0.1, 0.75), (0.9, 0.75)], [(0.1, 0.77), (0.9, 0.77)])
    answer(banded).to_have_text("class 7")
    banded.keyboard.press("Control+z")
    banded.keyboard.press("Control+z")
    answer(banded).to_have_text("class 1")
    box = banded.get_by_label("Sheet to draw on").bounding_box()
    assert box is not None
    banded.mouse.move(box["x"] + 30, box["y"] + 250)
    banded.mouse.down()
    banded.mouse.move(box["x"] + 200, box["y"] + 250, steps=4)
    banded.keyboard.press("Control+z")
    banded.mouse.move(box["x"] + 30, box["y"] + 250, steps=4)
    banded.mouse.up()
    answer(banded).to_have_text("class 1")
    drop(banded, png(np.full((28, 28), 9)), "other.png")
    expect(banded.get_by_text("other.png")).to_be_visible()
    banded.keyboard.press("Control+z")  # a file that is brought does not lose a drawing
    answer(banded).to_have_text("class 1")
    expect(banded.get_by_text("other.png")).to_have_count(0)


def test_the_preparation_is_chosen_where_the_model_takes_it(banded: Page) -> None:
    asked: list[str] = []

    def note(route: Route) -> None:
        asked.append(route.request.url.partition("?")[2])
        route.continue_()

    goto(banded, "#/try")
    banded.route("**/predict*", note)
    banded.route("**/input*", note)
    way = banded.get_by_label("Preparation of pictures")
    pixels = np.zeros((56, 56), np.uint8)
    pixels[:6, :50] = 255
    drop(banded, png(pixels), "bar.png")
    answer(banded).to_have_text("class 5")
    for value, label in [("mnist", "class 5"), ("none", "class 0")]:
        way.select_option(value)
        expect(way).to_have_accessible_description(
            {"mnist": "The digit is found, made bright on black, scaled and centred, as those of "
             "MNIST were.", "none": "The picture is made grey and scaled to the network's input, "
             "nothing else."}[value]
        )  # fmt: skip
        answer(banded).to_have_text(label)
        expect(banded.get_by_role("button", name="Why?")).to_be_visible()
        assert asked[-2:] == [f"preprocess={value}"] * 2
    picture(banded, "try-preparation")


def test_a_model_of_ones_own_pictures_has_no_choice_of_preparation(coloured: Page) -> None:
    goto(coloured, "#/try")
    expect(coloured.get_by_label("Sheet to draw on")).to_be_visible()
    expect(coloured.get_by_label("Preparation of pictures")).to_have_count(0)
    drop(coloured, png(np.full((HEIGHT, WIDTH, 3), 99)), "grey.png")
    answer(coloured).to_be_visible()
