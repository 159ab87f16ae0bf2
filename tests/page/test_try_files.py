"""Trying a model with files: large ones, other types, none at all; what the answer waits for."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests import runs
from tests.page.brought import bright, draw, drop, encoded, png
from tests.page.conftest import arrived, forget, goto, hold, is_whole, picture
from tests.service.conftest import Api, banded_model, serving

FITTED = """async ([encoded, type]) => {
  const { fitted } = await import("/dashboard/try/receiving.js");
  const bytes = Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0));
  const made = await fitted(new File([bytes], "photo", { type }));
  const { width, height } = await createImageBitmap(made);
  return { type: made.type, size: made.size, width, height };
}"""
STRETCHED = {"fit": "stretch", "ground": [0, 0, 0]}
"""How a model of one's own pictures takes them; others centre the ink, as MNIST does."""
ODD_CLASSES = ["1/2", "1\\2", ".hidden", "..", " ", "", "five", "six", "seven", "eight"]


def answer(page: Page) -> Any:
    return expect(page.locator(".answer .big"))


def choose(page: Page, name: str, kind: str, content: bytes) -> None:
    chosen: Any = {"name": name, "mimeType": kind, "buffer": content}
    page.locator("#file").set_input_files(chosen)


def photograph(band: int, width: int = 1600, height: int = 1200) -> Image.Image:
    """A noisy picture of several megabytes of which one of ten bands is bright."""
    noise = np.random.default_rng(1).integers(0, 100, (height, width, 3), np.uint8)
    noise[np.arange(height) * 10 // height == band] += 155
    return Image.fromarray(noise)


def publish(api: Api, **changes: Any) -> str:
    """A model that tells bands, with this signature but for the changes."""
    lease = api.start(api.submit())
    plain = banded_model()
    made = replace(plain, signature=plain.signature | changes)
    with api.database.write() as connection:
        return runs.succeed(connection, lease, made)


def test_a_large_photograph_is_scaled_down_before_it_is_sent(banded: Page, bands: Api) -> None:
    goto(banded, f"#/try?model={publish(bands, preparation=STRETCHED)}")
    content = png(photograph(3))
    assert len(content) > 2 * 2**20  # the API of this test takes no more
    choose(banded, "large.png", "image/png", content)
    answer(banded).to_have_text("class 3")
    expect(banded.locator("#file")).to_have_value("")  # the same can be chosen again
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right, as a telephone says it
    photograph(3).save(turned, "JPEG", quality=100, exif=exif)
    made = banded.evaluate(FITTED, [encoded(turned.getvalue()), "image/jpeg"])
    assert (made["width"], made["height"]) == (768, 1024)
    assert made["size"] < 2e6
    small = bright(3)
    made = banded.evaluate(FITTED, [encoded(small), "image/png"])
    assert made == {"type": "image/png", "size": len(small), "width": 28, "height": 28}


def test_a_type_that_is_not_taken_is_sent_as_another(banded: Page, bands: Api) -> None:
    goto(banded, f"#/try?model={publish(bands, preparation=STRETCHED)}")
    choose(banded, "four.x", "image/x-unknown", bright(4))
    answer(banded).to_have_text("class 4")


def test_what_is_no_picture_is_said_in_words(banded: Page) -> None:
    goto(banded, "#/try")
    for name, kind in [("notes.txt", "text/plain"), ("film.mp4", "video/mp4"), ("what", "")]:
        choose(banded, name, kind, b"no picture")
        expect(banded.locator("main .fault")).to_have_text(
            f"{name} is no picture that this browser or the service can read."
        )
    drop(banded, bright(2), "a.png", "b.png")
    answer(banded).to_have_text("class 2")
    expect(banded.locator("main .fault")).to_have_count(0)


def test_the_answer_does_not_wait_for_its_preview(banded: Page) -> None:
    goto(banded, "#/try")
    held = hold(banded, "**/input")
    why = banded.get_by_role("button", name="Why?")
    for band in (3, 7):
        drop(banded, bright(band), f"{band}.png")
        answer(banded).to_have_text(f"class {band}")
    arrived(banded, held, 1).continue_()
    second = arrived(banded, held, 2)
    expect(why).to_be_hidden()  # the first picture is gone
    expect(banded.get_by_text("That is wrong")).to_be_hidden()
    second.continue_()
    expect(why).to_be_visible()
    expect(banded.get_by_text("That is wrong")).to_be_visible()


def test_a_preview_of_an_earlier_stroke_is_not_explained(banded: Page) -> None:
    goto(banded, "#/try")
    held = hold(banded, "**/input")
    draw(banded, [(0.2, 0.5), (0.8, 0.5)])
    answer(banded).to_be_visible()
    first = arrived(banded, held, 1)
    with banded.expect_response("**/predict"):
        draw(banded, [(0.2, 0.6), (0.8, 0.6)])
    first.continue_()
    arrived(banded, held, 2)
    expect(banded.get_by_role("img", name="What the network sees")).to_be_visible()
    expect(banded.get_by_role("button", name="Why?")).to_be_hidden()
    expect(banded.get_by_text("That is wrong")).to_be_hidden()
    banded.route("**/input", lambda route: route.continue_())  # the later ones go on
    held[1].continue_()
    expect(banded.get_by_role("button", name="Why?")).to_be_visible()


def test_an_explanation_passes_a_small_limit(
    context: BrowserContext, tmp_path: Path, faults: list[str]
) -> None:
    with serving(tmp_path, max_body_bytes=500_000) as api:
        api.publish(shape=(3, 96, 96))
        page = context.new_page()
        page.goto(api.service.url)
        goto(page, "#/try")
        drop(page, png(photograph(3, 96, 96)), "three.png")
        answer(page).to_have_text("class 3")
        page.get_by_role("button", name="Why?").click()
        expect(page.get_by_text("speaks for class 3")).to_be_visible()
        assert faults == []


def test_a_class_that_is_no_name_of_a_folder_is_refused_in_words(banded: Page, bands: Api) -> None:
    model = publish(bands, classes=ODD_CLASSES)
    made: list[str] = []
    banded.on("request", lambda request: made.append(f"{request.method} {request.url}"))
    goto(banded, f"#/try?model={model}")
    drop(banded, bright(8), "eight.png")
    answer(banded).to_have_text("seven")
    banded.get_by_text("That is wrong").click()
    for index, label in enumerate(ODD_CLASSES[:6]):
        banded.get_by_label("It is a").select_option(index=index)
        banded.get_by_role("button", name="Keep it").click()
        notice = f"Corrections of the class “{label}” cannot be kept"
        expect(banded.locator("#notice")).to_contain_text(notice)
    assert not [each for each in made if "/datasets" in each]


def test_a_model_that_was_deleted_leaves_the_choice(
    banded: Page, bands: Api, faults: list[str]
) -> None:
    (first,) = (each["id"] for each in bands.http.get("/models").json()["data"])
    second = bands.publish(shift=1)
    goto(banded, f"#/try?model={first}")
    drop(banded, bright(3), "three.png")
    answer(banded).to_have_text("class 3")
    assert bands.http.delete(f"/models/{first}").status_code == 204
    drop(banded, bright(4), "four.png")
    expect(banded.get_by_role("heading", name="This model is gone")).to_be_visible()
    expect(banded.get_by_text(f"There is no model {first}")).to_be_visible()
    choice = banded.get_by_label("Model", exact=True)
    values = choice.locator("option").evaluate_all("(all) => all.map(({ value }) => value)")
    assert values == ["", second]
    picture(banded, "try-gone")
    banded.set_viewport_size({"width": 390, "height": 900})
    said = banded.locator("main .empty")
    assert said.evaluate("(card) => card.scrollWidth <= card.clientWidth")  # an id is a long word
    choice.select_option(second)
    is_whole(banded, f"#/try?model={second}")
    drop(banded, bright(3), "three.png")
    answer(banded).to_have_text("class 4")
    forget(faults, "404")


@pytest.mark.parametrize("address", ["#/try?model=model_gone", "#/try?model=%3Cimg%20src%3Dx%3E"])
def test_a_link_to_a_model_that_is_gone_says_so(
    banded: Page, faults: list[str], address: str
) -> None:
    goto(banded, address)
    expect(banded.get_by_text("There is no model")).to_be_visible()
    expect(banded.locator("main img")).to_have_count(0)
    forget(faults, "404")
