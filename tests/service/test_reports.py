"""Reports, cards and comparisons over HTTP, of models that a made-up worker has published."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from scipy.stats import binomtest
from sqlalchemy import delete

from app.store import tables
from tests import runs
from tests.service import measured
from tests.service.conftest import Api, banded_model, problem_of

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) | `a` **b** <img src=x>\n# c"
ELEMENTS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "strong", "div"}
ELEMENTS |= {"table", "thead", "tbody", "tr", "th", "td", "figure", "img", "figcaption"}
ELEMENTS |= {"svg", "path", "rect", "text"}


def publish(api: Api, name: str = "made up", dataset: str = "0" * 64, **files: Any) -> str:
    """A model with these evaluation files, of a job with this name."""
    lease = api.start(api.submit({"name": name}))
    model = banded_model()
    classes = files.get("classes", measured.CLASSES)
    made = replace(
        model,
        signature=model.signature | {"classes": classes},
        provenance={"torch": "none", "dataset_sha256": dataset},
        files=model.files | measured.files(**files),
    )
    with api.database.write() as connection:
        return runs.succeed(connection, lease, made)


def forget_report(api: Api, model: str) -> None:
    """Makes the model one from before reports."""
    of_model = tables.model_files.c.model_id == model
    kinds = tables.model_files.c.kind.in_(["report", "answers"])
    with api.database.write() as connection:
        connection.execute(delete(tables.model_files).where(of_model, kinds))


class Page(HTMLParser):
    """The elements, addresses and text of a page; every element must be closed in its turn."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    return publish(api, wrong=8)


def page_of(api: Api, model: str) -> Page:
    answer = api.http.get(f"/models/{model}/report", params={"format": "html"})
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


def test_the_report_as_json(api: Api, model: str) -> None:
    found = api.http.get(f"/models/{model}/report").json()
    assert found["images"] == 100
    assert found["accuracy"]["value"] == 0.92
    interval = binomtest(92, 100).proportion_ci(method="wilson")
    assert found["accuracy"]["low"] == pytest.approx(interval.low)
    assert found["accuracy"]["high"] == pytest.approx(interval.high)
    assert set(found["macro"]) == {"precision", "recall", "f1"}
    assert [row["label"] for row in found["classes"]] == measured.CLASSES
    assert np.trace(found["confusion_matrix"]) == 92
    assert found["calibration"]["expected_error"] == pytest.approx(0.12, abs=1e-6)
    assert len(found["calibration"]["bins"]) == 15
    assert [each["index"] for each in found["worst_mistakes"]] == list(range(8))
    mistake = found["worst_mistakes"][0]
    assert (mistake["label"], mistake["predicted"]) == ("class 0", "class 1")


def test_an_alias_names_the_model_too(api: Api) -> None:
    publish(api, wrong=3)
    assert api.http.get("/models/latest/report").json()["accuracy"]["value"] == 0.97


@pytest.mark.parametrize(
    ("accept", "form", "kind"),
    [
        ("*/*", None, "application/json"),
        ("application/json", None, "application/json"),
        ("text/html;q=0.5, application/json", None, "application/json"),
        ("text/html;q=nonsense", None, "application/json"),
        ("application/json;q=0.2, text/*", None, "text/html"),
        (BROWSER, None, "text/html"),
        (BROWSER, "json", "application/json"),
        ("*/*", "html", "text/html"),
    ],
)
def test_the_report_comes_as_the_client_wants_it(
    api: Api, model: str, accept: str, form: str | None, kind: str
) -> None:
    params = {"format": form} if form else {}
    answer = api.http.get(f"/models/{model}/report", params=params, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.headers["vary"] == "Accept"


def test_the_page_shows_every_figure_and_explains_it(api: Api, model: str) -> None:
    page = page_of(api, model)
    text = " ".join(page.text.split())
    found = api.http.get(f"/models/{model}/report").json()
    assert "92.00% right" in text
    for bound in ("low", "high"):
        assert f"{100 * found['accuracy'][bound]:.2f}%" in text
    for word in ("Accuracy", "Precision", "Recall", "F1", "confusion matrix", "calibrat"):
        assert word in text
    assert page.elements.count("img") == 8 + 2 * len(measured.CLASSES)
    assert page.elements.count("rect") == 1
    rows = re.findall(r"class \d", text)
    assert set(rows) == set(measured.CLASSES)


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(api: Api, model: str) -> None:
    answer = api.http.get(f"/models/{model}/report", headers={"Accept": BROWSER})
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Page(answer.text)
    assert set(page.elements) == ELEMENTS
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "http" not in answer.text
    assert "prefers-color-scheme: dark" in answer.text


def test_a_name_is_text_in_the_page(api: Api) -> None:
    model = publish(api, name=HOSTILE, wrong=2, classes=[f"{HOSTILE} {n}" for n in range(10)])
    page = page_of(api, model)
    assert set(page.elements) <= ELEMENTS
    assert "<script>alert(1)</script>" in page.text


def test_a_page_without_mistakes_and_one_with_a_class_that_is_not_tested(api: Api) -> None:
    page = page_of(api, publish(api, wrong=0))
    assert "every test image was answered rightly" in page.text
    assert page.elements.count("img") == 2 * len(measured.CLASSES)  # the typical ones
    labels = np.arange(100) % 9
    page = page_of(api, publish(api, wrong=5, labels=labels))
    assert "not in the test set" in page.text


def test_the_card_says_what_the_model_is_and_how_well_it_does(api: Api, model: str) -> None:
    answer = api.http.get(f"/models/{model}/card")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    card = answer.text
    stored = api.http.get(f"/models/{model}").json()
    assert card.startswith("# Model card: made up\n")
    assert "**accuracy 92.00%** (95% interval 85.00% to 95.89%)" in card
    assert "| data | mnist" in card
    assert "hidden layers 500, relu" in card
    assert "| optimizer | sgd, learning rate 0.001 |" in card
    assert stored["weights_sha256"] in card
    assert "0" * 64 in card
    assert f"/predict?model={model}" in card
    assert "It does worst on class 0: 90.0% of 10 images found." in card


def test_a_name_is_text_in_the_card(api: Api) -> None:
    classes = [f"{HOSTILE} {number}" for number in range(10)]
    model = publish(api, name=HOSTILE, wrong=2, classes=classes)
    card = api.http.get(f"/models/{model}/card").text
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(card)
    shown = Page(html)
    assert set(shown.elements) <= {
        *("h1", "h2", "p", "ul", "li", "strong", "code", "pre"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    one_line = " ".join(HOSTILE.split())
    assert shown.elements.count("h1") == 1
    assert f"Model card: {one_line}" in shown.text
    assert shown.text.count(f"{one_line} 9") == 2
    assert shown.elements.count("strong") == 1


def test_every_line_of_the_card_is_markdown_that_was_meant(api: Api, model: str) -> None:
    card = api.http.get(f"/models/{model}/card").text
    shown = Page(MarkdownIt("commonmark").enable("table").render(card))
    assert shown.elements.count("h2") == 5
    assert shown.elements.count("table") == 3
    assert shown.elements.count("tr") == (1 + 6) + (1 + 10) + (1 + 3)
    assert "\\" not in shown.text


@pytest.mark.parametrize("what", ["report", "card"])
def test_a_model_from_before_reports_says_how_to_get_one(api: Api, what: str) -> None:
    model = publish(api)
    forget_report(api, model)
    problem = problem_of(api.http.get(f"/models/{model}/{what}"), 404, "no_report")
    (advised,) = re.findall(r"POST (/jobs/\w+/retry)", problem["detail"])
    assert api.http.post(advised).status_code == 201


@pytest.mark.parametrize("what", ["report", "card"])
def test_a_model_that_is_not_there_has_none(api: Api, what: str) -> None:
    problem_of(api.http.get(f"/models/model_none/{what}"), 404, "model_not_found")
