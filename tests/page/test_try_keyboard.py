"""Trying a model with the keyboard alone: from the choice of a model to a kept correction."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.page.brought import bright
from tests.page.conftest import goto, is_whole, picture
from tests.service.conftest import Api

MOST_TABS = 30
IS_FOCUSED = "(element) => element === document.activeElement"
IS_MARKED = """(element) => [element, ...(element.labels ?? [])].some(
  (each) => getComputedStyle(each).outlineStyle !== "none")"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Presses Tab until this has the focus; all that had it on the way showed so."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.evaluate(IS_MARKED), focused.evaluate("(element) => element.outerHTML")
        if wanted.evaluate(IS_FOCUSED):
            return
    raise AssertionError(f"{wanted} is not reached")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def test_a_model_is_chosen_asked_and_explained_by_keyboard(banded: Page, bands: Api) -> None:
    first = bands.http.get("/models").json()["data"][0]["id"]
    second = bands.publish(shift=1)
    goto(banded, f"#/try?model={first}")
    choice = banded.get_by_label("Model", exact=True)
    tab_to(banded, choice)
    banded.keyboard.press("ArrowUp")
    is_whole(banded, f"#/try?model={second}")
    expect(choice).to_be_focused()
    with banded.expect_file_chooser() as chooser:
        tab_to(banded, banded.get_by_label("Choose pictures"))
        banded.keyboard.press("Enter")
    content: Any = {"name": "three.png", "mimeType": "image/png", "buffer": bright(3)}
    chooser.value.set_files(content)
    expect(banded.locator(".answer .big")).to_have_text("class 4")
    why = button(banded, "Why?")
    expect(why).to_be_visible()
    tab_to(banded, why)
    banded.keyboard.press("Enter")
    expect(banded.get_by_text("speaks for class 4")).to_be_visible()
    expect(why).to_be_focused()


def test_from_a_mistake_to_a_kept_correction_by_keyboard(page: Page, digits: Any) -> None:
    goto(page, f"#/try?model={digits['id']}")
    tab_to(page, page.get_by_label("Sheet to draw on"))
    page.keyboard.press("ArrowUp")  # nothing is drawn before the pen is set down
    expect(button(page, "Undo")).to_be_disabled()
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".answer .big")).to_be_visible()
    seen = page.get_by_role("img", name="What the network sees")
    expect(seen).to_be_visible()
    picture(page, "try-keyboard")
    expect(page.get_by_text("That is wrong")).to_be_visible()
    tab_to(page, page.locator("summary", has_text="That is wrong"))
    page.keyboard.press("Enter")
    right = page.get_by_label("It is a")
    tab_to(page, right)
    page.keyboard.press("7")
    expect(right).to_have_value("7")
    keep = button(page, "Keep it")
    tab_to(page, keep)
    page.keyboard.press("Enter")
    expect(page.get_by_text("1,438 training pictures")).to_be_visible()
    expect(keep).to_be_focused()
    tab_to(page, button(page, "Train again"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Specification")).to_contain_text("digits-corrected")
    expect(page.locator("main")).to_be_focused()  # what had the focus is gone


def test_what_becomes_useless_hands_the_focus_on(banded: Page) -> None:
    goto(banded, "#/try")
    sheet = banded.get_by_label("Sheet to draw on")
    for name in ("Clear", "Undo"):
        sheet.focus()
        banded.keyboard.press("Space")
        banded.keyboard.press("Space")
        expect(button(banded, name)).to_be_enabled()
        tab_to(banded, button(banded, name))
        banded.keyboard.press("Enter")
        if name == "Clear":
            expect(sheet).to_be_focused()
            banded.keyboard.press("Control+z")  # Clear can be taken back
        expect(banded.locator(":focus")).to_have_count(1)
