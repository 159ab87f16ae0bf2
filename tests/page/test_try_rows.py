"""Trying a model of a table: typed rows, and what each column contributes to the answer."""

import json
from dataclasses import replace

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.page.conftest import arrived, forget, goto, hold, picture
from tests.page.test_try_keyboard import tab_to
from tests.service import rows
from tests.service.conftest import Api

SPACED = "years of age"
COLUMNS = [rows.JOB, replace(rows.AGE, name=SPACED), rows.BORN]
CONTRIBUTIONS = """async ([row, columns]) => {
  const { columnRelevance } = await import("/dashboard/try/occlusion.js");
  return columnRelevance("model_1", row, columns, 1);
}"""


@pytest.fixture
def people(fresh: Api) -> Api:
    """An API with a model that is surer of the second class with age; 40 is even."""
    rows.publish(fresh, COLUMNS)
    return fresh


@pytest.fixture
def own(context: BrowserContext, people: Api, faults: list[str]) -> Page:  # noqa: ARG001
    """The page of `people`, which may log no error."""
    page = context.new_page()
    page.goto(people.service.url)
    return page


@pytest.fixture
def held(own: Page) -> list[Route]:
    """Requests for predictions."""
    return hold(own, "**/predict")


def why(page: Page) -> Locator:
    return page.get_by_role("button", name="Why?")


def contributions(page: Page) -> Locator:
    return page.locator("main ol.classes").nth(1).get_by_role("listitem")


def test_nothing_is_explained_before_there_is_an_answer(own: Page, held: list[Route]) -> None:
    goto(own, "#/try")
    first = arrived(own, held, 1)
    expect(why(own)).to_be_hidden()
    first.continue_()
    expect(why(own)).to_be_visible()
    own.get_by_label(SPACED).fill("60")
    expect(why(own)).to_be_hidden()
    arrived(own, held, 2).continue_()
    expect(own.locator(".answer .big")).to_have_text(">50K")
    expect(why(own)).to_be_visible()


def test_an_answer_for_another_row_is_dropped(own: Page, held: list[Route]) -> None:
    goto(own, "#/try")
    own.get_by_label(SPACED).fill("20")
    arrived(own, held, 1).continue_()
    arrived(own, held, 2).continue_()
    expect(own.locator(".answer .big")).to_have_text("<=50K")
    own.get_by_label(SPACED).fill("80")
    late = arrived(own, held, 3)
    own.get_by_label(SPACED).fill("21")
    late.continue_()
    arrived(own, held, 4)  # it is sent once the late answer was looked at
    expect(own.locator(".answer .big")).to_have_text("<=50K")
    expect(why(own)).to_be_hidden()


def test_an_explanation_of_a_row_that_has_changed_is_dropped(
    own: Page, held: list[Route], faults: list[str]
) -> None:
    goto(own, "#/try")
    own.get_by_label(SPACED).fill("60")
    arrived(own, held, 1).continue_()
    arrived(own, held, 2).continue_()
    why(own).click()
    late = arrived(own, held, 3)
    own.get_by_label(SPACED).fill("old")
    arrived(own, held, 4).continue_()
    expect(own.locator("main .fault")).to_contain_text("old")
    expect(why(own)).to_be_hidden()
    with own.expect_response("**/predict"):
        late.continue_()
    own.wait_for_timeout(200)  # nothing happens: there is nothing else to wait for
    expect(own.get_by_text("What each column adds")).to_have_count(0)
    forget(faults, "422")


def test_names_with_spaces_are_described(own: Page) -> None:
    goto(own, "#/try")
    expect(own.get_by_label(SPACED)).to_have_accessible_description("17 to 90 in training")
    assert own.locator("[id*=' ']").count() == 0
    expect(own.get_by_text("An empty field means “missing value”")).to_be_visible()


def test_contributions_have_signs_and_the_usual_value_has_none(own: Page) -> None:
    goto(own, "#/try")
    why(own).click()
    expect(own.get_by_text("Every column has its usual value")).to_be_visible()
    for index in range(len(COLUMNS)):
        expect(contributions(own).nth(index)).to_contain_text("has its usual value")
    own.get_by_label(SPACED).fill("60")
    own.get_by_label("born").fill("1960-01-01")
    expect(own.locator(".answer .big")).to_have_text("<=50K")
    why(own).click()
    # logits: 1 for the clerk, 2 for the age, -3.65 for the date
    before, of_date, of_age = (1 - rows.sure(*row) for row in
                               [(60, 0, -3653), (60, 0, 0), (40, 0, -3653)])  # fmt: skip
    expect(contributions(own).nth(0)).to_contain_text(f"+{100 * (before - of_date):.1f}%")
    expect(contributions(own).nth(1)).to_contain_text(f"−{100 * (of_age - before):.1f}%")
    expect(contributions(own).nth(2)).to_have_text("jobhas its usual value")
    picture(own, "try-row-signs")


def test_a_row_is_typed_and_explained_by_keyboard(own: Page) -> None:
    goto(own, "#/try")
    tab_to(own, own.get_by_label(SPACED))
    own.keyboard.press("Control+a")
    own.keyboard.type("60")
    expect(own.locator(".answer .big")).to_have_text(">50K")
    tab_to(own, why(own))
    own.keyboard.press("Enter")
    expect(contributions(own).nth(0)).to_contain_text(SPACED)
    expect(why(own)).to_be_focused()


def test_an_explanation_asks_in_small_requests(own: Page) -> None:
    sizes: list[int] = []

    def answer(route: Route) -> None:
        body = route.request.post_data or ""
        sizes.append(len(body.encode()))
        sent = json.loads(body)["inputs"]
        found = [{"probabilities": [0, sum(value == "ü" * 100 for value in row.values())]}
                 for row in sent]  # fmt: skip
        route.fulfill(json={"predictions": found})

    own.route("**/models/model_1/predict", answer)
    columns = [{"name": f"c{number}", "kind": "category", "categories": ["usual"]}
               for number in range(80)]  # fmt: skip
    row = {column["name"]: "ü" * 100 for column in columns} | {"c7": "usual"}
    found = own.evaluate(CONTRIBUTIONS, [row, columns])
    assert len(sizes) > 1
    assert max(sizes) < 500_000
    assert [each["contribution"] for each in found] == [1] * 7 + [None] + [1] * 72
