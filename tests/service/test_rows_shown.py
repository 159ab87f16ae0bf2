"""What is shown of a model of a table: its signature, its report, its card."""

import json
import shlex
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from tests import runs
from tests.service.conftest import Api
from tests.service.rows import COLUMNS, IMPORTANCE, JOB, MISTAKE, TARGET, publish, table_model
from tests.service.test_reports import ELEMENTS, HOSTILE, Page


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    return publish(api)


def test_a_model_of_a_table_shows_its_columns_and_its_target(api: Api, model: str) -> None:
    shown = api.http.get(f"/models/{model}").json()
    assert shown["target"] == TARGET
    assert shown["columns"] == json.loads(json.dumps([each.to_json() for each in COLUMNS]))
    assert shown["classes"] == ["<=50K", ">50K"]
    assert shown["input_shape"] == [6]
    assert shown["pixel_range"] is shown["preparation"] is None
    assert model in [each["id"] for each in api.http.get("/models").json()["data"]]
    picture = api.http.get(f"/models/{api.publish()}").json()
    assert picture["target"] is picture["columns"] is None
    assert picture["pixel_range"] == [0, 255]


def test_its_report_has_rows_and_importances_instead_of_images(api: Api, model: str) -> None:
    found = api.http.get(f"/models/{model}/report").json()
    assert found["columns"] == IMPORTANCE
    assert found["worst_mistakes"][0]["row"] == MISTAKE
    assert found["worst_mistakes"][0]["image"] is None
    pictures = api.http.get(f"/models/{api.publish()}/report").json()
    assert pictures["columns"] is pictures["worst_mistakes"][0]["row"] is None
    assert pictures["worst_mistakes"][0]["image"].startswith("data:image/png")


def test_the_page_of_its_report_shows_them(api: Api, model: str) -> None:
    answer = api.http.get(f"/models/{model}/report", params={"format": "html"})
    assert answer.status_code == 200, answer.text
    page = Page(answer.text)
    text = " ".join(page.text.split())
    assert set(page.elements) <= ELEMENTS
    assert "img" not in page.elements
    assert page.elements.count("figure") == 10
    assert "age 21.00% 2.00%" in text
    assert "<job> -0.30% 0.10%" in text
    assert "age 41 <job> nurse born missing" in text
    assert "image" not in text


def test_the_page_shows_the_most_important_columns_first(api: Api) -> None:
    plain = table_model()
    report = json.loads(plain.files["report"]) | {"columns": IMPORTANCE[::-1]}
    files = plain.files | {"report": json.dumps(report).encode()}
    lease = api.start(api.submit())
    with api.database.write() as connection:
        model = runs.succeed(connection, lease, replace(plain, files=files))
    page = Page(api.http.get(f"/models/{model}/report", params={"format": "html"}).text)
    text = page.text[page.text.index("What it looks at") :]
    places = [text.index(f"{each['importance']:.2%}") for each in IMPORTANCE]
    order = sorted(IMPORTANCE, key=lambda each: -each["importance"])
    assert sorted(places) == [places[IMPORTANCE.index(each)] for each in order]


def test_its_card_lists_the_columns_and_how_to_send_them(api: Api, model: str) -> None:
    card = api.http.get(f"/models/{model}/card")
    assert card.status_code == 200, card.text
    assert "rows of a table by 3 of its columns; it predicts income" in card.text
    assert "image" not in card.text
    cells = [line for line in card.text.splitlines() if line.startswith("| ")]
    assert "| job | category | clerk, nurse |" in cells
    assert "| age | number | 17 to 90 |" in cells
    command = next(line for line in card.text.splitlines() if line.startswith("curl"))
    body = shlex.split(command)[-1]
    answer = api.http.post(f"/predict?model={model}", json=json.loads(body))
    assert answer.status_code == 200, answer.text
    assert "warnings" not in answer.json()["predictions"][0]


def test_names_are_text_in_the_card_and_the_page(api: Api) -> None:
    name = f"it's\n```\n{HOSTILE}"
    hostile = replace(JOB, name=name, categories=(name,))
    model = publish(api, [*COLUMNS, hostile], target=name)
    card = api.http.get(f"/models/{model}/card")
    assert card.status_code == 200, card.text
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(card.text)
    assert "<script" not in rendered
    assert "<img" not in rendered
    assert "href" not in rendered
    command = next(line for line in card.text.splitlines() if line.startswith("curl"))
    assert name in json.loads(shlex.split(command)[-1])["inputs"][0]


def test_a_report_of_a_table_without_mistakes_has_a_page(api: Api) -> None:
    plain = table_model()
    report = json.loads(plain.files["report"]) | {"worst_mistakes": []}
    files = plain.files | {"report": json.dumps(report).encode()}
    lease = api.start(api.submit())
    with api.database.write() as connection:
        model = runs.succeed(connection, lease, replace(plain, files=files))
    answer = api.http.get(f"/models/{model}/report", params={"format": "html"})
    assert "every test row was answered rightly" in answer.text


def test_doubtful_labels_are_shown_with_the_names_of_their_rows(api: Api) -> None:
    plain = table_model()
    suspect = {
        "index": 7,
        "name": f"row 8 {HOSTILE}",
        "row": MISTAKE,
        "label": "<=50K",
        "suggested": ">50K",
        "suspicion": 0.97,
    }
    typical = {"index": 3, "row": MISTAKE, "label": ">50K", "confidence": 0.99}
    report = json.loads(plain.files["report"]) | {"suspects": [suspect], "typical": [typical]}
    files = plain.files | {"report": json.dumps(report).encode()}
    lease = api.start(api.submit())
    with api.database.write() as connection:
        model = runs.succeed(connection, lease, replace(plain, files=files))
    (found,) = api.http.get(f"/models/{model}/report").json()["suspects"]
    assert found == suspect | {"image": None}
    page = Page(api.http.get(f"/models/{model}/report", params={"format": "html"}).text)
    text = " ".join(page.text.split())
    assert "row 8" in text
    assert "labelled <=50K, looks like >50K" in text
    assert ">50K with 99.0%" in text
    assert set(page.elements) <= ELEMENTS
