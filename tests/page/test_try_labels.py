"""Many pictures at once, with right classes of a person's own, kept into a dataset together."""

import io
import tarfile
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, expect

from app.local import Service
from tests.page.brought import bright, drop, png
from tests.page.conftest import forget, goto, hold, picture
from tests.service.conftest import Api
from tests.waiting import until

FILES = ["a.png", "b.png", "<b>c</b>.png", "d.png"]


def classes_of(page: Page, name: str) -> Locator:
    return page.get_by_label(f"{name} is a", exact=True)


def test_many_pictures_are_labelled_and_kept_together(
    page: Page, service: Service, digits: Any, faults: list[str]
) -> None:
    goto(page, f"#/try?model={digits['id']}")
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:7, 3:5] = 255
    drop(page, png(pixels), *FILES)
    keep = page.get_by_role("button", name="Keep ")
    expect(keep).to_have_text("Keep 0 pictures")
    expect(keep).to_be_disabled()
    page.get_by_label("All of them are").select_option("3")
    expect(keep).to_have_text("Keep 4 pictures")
    classes_of(page, FILES[1]).select_option("5")
    classes_of(page, FILES[3]).select_option("–")
    expect(keep).to_have_text("Keep 3 pictures")
    picture(page, "try-labels")
    keep.click()
    expect(page.get_by_text("1,440 training pictures")).to_be_visible()
    picture(page, "try-labels-kept")
    with page.expect_request("**/datasets/*/content") as sent:
        classes_of(page, FILES[0]).select_option("7")  # what is kept later adds to it
        keep.click()
    expect(page.get_by_text("1,443 training pictures")).to_be_visible()
    assert sent.value.method == "GET"
    content = page.request.get(f"{service.url}/datasets/digits-corrected/content").body()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        folders = sorted(name.split("/")[0] for name in tar.getnames())
    assert folders == ["3", "3", "3", "5", "5", "7"]
    page.get_by_role("button", name="Train again").click()
    expect(page.get_by_label("Specification")).to_contain_text("digits-corrected")
    assert faults == []


def test_what_is_no_picture_cannot_be_kept_and_labels_outlive_another_preparation(
    banded: Page, faults: list[str]
) -> None:
    goto(banded, "#/try")
    drop(banded, b"no picture", "broken.png", "lost.png")
    expect(banded.locator("td.fault")).to_have_count(2)
    banded.get_by_label("All of them are").select_option("class 3")
    expect(banded.get_by_role("button", name="Keep 0 pictures")).to_be_disabled()
    expect(classes_of(banded, "lost.png")).to_be_disabled()
    drop(banded, bright(3), "x.png", "y.png")
    expect(classes_of(banded, "lost.png")).to_have_count(0)
    held = hold(banded, "**/predict*")
    classes_of(banded, "y.png").select_option("class 2")
    banded.get_by_label("Preparation of pictures").select_option("none")
    until(lambda: banded.evaluate("1") and len(held) >= 1)
    expect(classes_of(banded, "y.png")).to_have_value("2")
    for each in held:
        each.continue_()
    banded.unroute("**/predict*")
    forget(faults, "422")


def test_many_classes_fit_a_phone(banded: Page, bands: Api) -> None:
    goto(banded, "#/try")
    drop(banded, bright(3), *(f"{'a long name of a picture ' * 3}{each}.png" for each in range(3)))
    expect(
        banded.get_by_role("region", name="Answers").get_by_role("cell", name="class 3")
    ).to_have_count(3)
    banded.set_viewport_size({"width": 390, "height": 900})
    assert banded.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert bands.http.get("/models").status_code == 200
