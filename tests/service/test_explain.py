"""The report that explains a run: its text, its pictures, and that nothing in it runs."""

import base64
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from app.api.charts import MOST_CURVES, MOST_POINTS, Chart, Curve
from app.codes import FailureCode
from app.store import diagnoses
from app.store.metrics import Point
from tests import runs
from tests.diagnosed import HEALTHY, diagnosis, finding
from tests.service.conftest import Api, problem_of
from tests.service.test_diagnosis_api import diverge, retry, start, succeed
from tests.service.test_reports import BROWSER, HOSTILE, Page

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "strong"}
ELEMENTS |= {"div", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "span"}
ELEMENTS |= {"svg", "path", "rect", "text", "g"}
GRADIENTS = finding("exploding_gradients", picture="gradients", symptom_of="learning_rate_too_high")


def curves(values: list[float]) -> list[Point]:
    return [
        Point(name, 100 * step, step, value)
        for name in ("train_loss", "validation_loss", "running_loss", "train_accuracy")
        for step, value in enumerate(values, 1)
    ]


def explained(api: Api, *findings: dict[str, Any], name: str = "mine", **others: Any) -> str:
    """A job that diverged with these findings and some curves."""
    lease = start(api, name=name)
    with api.database.write() as connection:
        points = curves([2.3, 1.5, float("inf"), 9.0])
        runs.record(connection, lease, points=points)
    return diverge(api, lease, diagnosis(*findings, **others))


@pytest.fixture(scope="module")
def job(api: Api) -> str:
    return explained(api, finding(), GRADIENTS, finding("overfitting", "info", picture="loss"))


def get(api: Api, job_id: str, accept: str = "*/*", **params: str) -> Any:
    headers = {"Accept": accept}
    answer = api.http.get(f"/jobs/{job_id}/explain", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize(
    ("accept", "form", "kind"),
    [
        ("*/*", "", "text/markdown"),
        ("text/markdown, text/html;q=0.5", "", "text/markdown"),
        (BROWSER, "", "text/html"),
        (BROWSER, "markdown", "text/markdown"),
        ("*/*", "html", "text/html"),
    ],
)
def test_it_comes_as_the_client_wants_it(
    api: Api, job: str, accept: str, form: str, kind: str
) -> None:
    answer = get(api, job, accept, **({"format": form} if form else {}))
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.headers["vary"] == "Accept"


def test_the_page_tells_all_and_each_finding_is_beside_its_picture(api: Api, job: str) -> None:
    html = get(api, job, format="html").text
    page = Page(html)
    text = " ".join(page.text.split())
    for told in (
        "hidden layers of 500 units (relu), on digits, by sgd with a learning rate of 100.0",
        "It failed: m",
        "Learning rate too high (critical)",
        "Each step overshoots the valley.",
        "It is a symptom of learning rate too high.",
        "It began in epoch 1, at mini-batch 40.",
        "31.5 above 2",
        "how many times the first loss",
        "Use a smaller learning rate.",
        "/training/optimizer/lr 100.0 0.01",
        f'/jobs/{job}/retry" -H',
        "The picture “The loss” above shows it.",
    ):
        assert told in text, told
    order = re.findall(r"<h3>(\w+)|aria-label=\"([^\"]*)\"", html)
    found = ["".join(each) for each in order]
    assert found == [
        *("Learning", "The loss", "Exploding", "The gradients", "Overfitting", "The accuracy"),
    ]


def test_it_runs_nothing_and_needs_nothing_from_elsewhere(api: Api, job: str) -> None:
    answer = get(api, job, BROWSER)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    page = Page(answer.text)
    assert set(page.elements) <= ELEMENTS
    assert page.addresses == []
    assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def pictures_of(markdown: str) -> list[ElementTree.Element]:
    found = re.findall(r"^!\[[^]]*\]\(data:image/svg\+xml;base64,([^)]+)\)$", markdown, re.M)
    return [ElementTree.fromstring(base64.b64decode(each)) for each in found]  # noqa: S314 (ours)


def test_the_markdown_says_the_same_with_the_pictures_in_it(api: Api, job: str) -> None:
    markdown = get(api, job).text
    pictures = pictures_of(markdown)
    titles = [picture.findtext(f"{SVG}title") for picture in pictures]
    assert titles == ["The loss", "The gradients", "The accuracy"]
    for picture in pictures:
        assert picture.tag == f"{SVG}svg"
        words = [each.text for each in picture.iter(f"{SVG}text")]
        assert any(word and word.startswith("mini-batches") for word in words)
        assert {each.tag.removeprefix(SVG) for each in picture.iter()} <= ELEMENTS
    shown = Page(MarkdownIt("commonmark").enable("table").render(markdown))
    assert shown.elements.count("h3") == 3
    assert shown.elements.count("table") == 4
    assert "Learning rate too high (critical)" in shown.text
    assert f'/jobs/{job}/retry"' in shown.text
    assert '{"apply": "suggestion"}' in shown.text


def test_texts_of_others_are_text(api: Api) -> None:
    evil = finding(title=HOSTILE, explanation=HOSTILE, advice=HOSTILE, picture="gradients")
    evil["evidence"][0] |= {"name": HOSTILE, "meaning": HOSTILE}
    evil["changes"][0] |= {"pointer": HOSTILE, "before": HOSTILE, "effect": HOSTILE}
    series = {f"gradient {HOSTILE}": [[1, 0.5], [2, 3.0]]}
    job = explained(api, evil, name=HOSTILE, series=series)
    page = Page(get(api, job, format="html").text)
    assert set(page.elements) <= ELEMENTS
    assert "<script>alert(1)</script>" in page.text
    markdown = get(api, job).text
    shown = Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
    assert set(shown.elements) <= {*ELEMENTS, "img", "hr"}
    assert all(each.startswith("data:image/svg") for each in shown.addresses)
    assert shown.elements.count("h1") == 1
    assert pictures_of(markdown)


def test_the_reason_of_a_failure_is_text(api: Api) -> None:
    lease = start(api)
    with api.database.write() as connection:
        code = FailureCode.DATASET_UNAVAILABLE
        runs.fail(connection, lease, code=code, message=HOSTILE, advice="a")
    page = Page(get(api, lease.job_id, format="html").text)
    assert set(page.elements) <= ELEMENTS
    assert "<script>alert(1)</script>" in page.text
    assert "Nothing before it ended." in page.text


def test_what_is_no_longer_kept_is_said(api: Api) -> None:
    job = explained(api, finding())
    with api.database.write() as connection:
        diagnoses.forget(connection, job)
    told = "Learning rate too high; the details are no longer kept"
    assert told in Page(get(api, job, format="html").text).text
    assert told in get(api, job).text.replace("\\", "")


def test_the_chain_and_a_healthy_end_are_told(api: Api) -> None:
    first = explained(api, finding())
    again = retry(api, first, apply="suggestion")["id"]
    succeed(api, api.start(again), diagnosis(HEALTHY), 0.95)
    for form in ("html", "markdown"):
        text = get(api, again, format=form).text.replace("\\", "")
        assert first in text
        assert "95.00% (best)" in text
        assert "What to change" not in text
        assert "Accuracy: 95.00% of the validation images" in text
        assert "90.00% of the test images" in text


@pytest.mark.parametrize(
    ("spec", "told"),
    [({}, "Nothing yet."), ({"diagnosis": False}, "the specification turned diagnosis off")],
)
def test_what_is_not_known_is_said(api: Api, spec: dict[str, Any], told: str) -> None:
    job = api.submit(spec)
    assert told in Page(get(api, job, format="html").text).text
    assert told in get(api, job).text.replace("\\", "")


def test_a_range_test_is_a_picture_too(api: Api) -> None:
    curve = [[1e-6, 2.3], [1e-3, None], [0.01, 1.5], [1.0, 9.0]]
    found = {"curve": curve, "recommended": 0.01, "lowest": 1e-6, "highest": 1.0}
    found |= {"steepest": 0.02, "diverges_at": None}
    job = explained(api, finding(picture="rate"), lr_range=found)
    picture = pictures_of(get(api, job).text)[0]
    words = {each.text for each in picture.iter(f"{SVG}text")}
    assert {"recommended", "steepest", "learning rate (log scale)", "1e-06", "0.01"} <= words
    assert "diverges" not in words


def test_a_loss_that_explodes_and_the_shares_of_classes_can_be_read(api: Api) -> None:
    series = {"batch loss": [[1, 2.3], [17, 4e9]], "share of class": [[0, 0.9], [1, 0.1]]}
    job = explained(api, finding(), finding("class_imbalance", picture="labels"), series=series)
    loss, labels = pictures_of(get(api, job).text)[:2]
    assert "loss (log scale)" in {each.text for each in loss.iter(f"{SVG}text")}
    assert "batch loss" in {each.text for each in loss.iter(f"{SVG}text")}
    assert {"class", "share of class"} <= {each.text for each in labels.iter(f"{SVG}text")}


def test_a_job_that_is_not_there_is_not_explained(api: Api) -> None:
    problem_of(api.http.get("/jobs/job_none/explain"), 404, "job_not_found")
    problem_of(api.http.get("/jobs/x/explain?format=pdf"), 422, "invalid_request")


def drawn(*values: float | None, **options: Any) -> ElementTree.Element:
    points = [(float(at), value) for at, value in enumerate(values)]
    chart = Chart("t", "x", "y", [Curve("c", points)], **options)
    return ElementTree.fromstring(chart.svg())  # noqa: S314 (ours)


def path_of(picture: ElementTree.Element) -> str:
    group = picture.find(f"{SVG}g")
    assert group is not None
    return group[0].attrib["d"]


NAN, INF = float("nan"), float("inf")
LAST_BIT = [0.493261042750138, 0.49326104275013793]


def test_a_gap_breaks_the_line_and_a_lone_point_is_a_dot() -> None:
    path = path_of(drawn(1.0, 2.0, None, 3.0, NAN, INF, 1e308, 2.0, 1.0))
    assert path.count("M") == 3
    assert re.search(r"M[\d.]+ [\d.]+h0M", path)
    assert path_of(drawn(1.0, 0.0, -5.0, 10.0, log_y=True)).count("M") == 2
    assert "nan" not in path


@pytest.mark.parametrize(
    "values",
    [[0.0], [5.0, 5.0], [-3.0, -3.0], [1e-30, 1e-30], [1e99, -1e99], [1e16, 1e16 + 2], LAST_BIT],
)
@pytest.mark.parametrize("log_y", [False, True])
def test_every_scale_has_ticks_and_every_point_is_within_the_axes(
    values: list[float], log_y: bool
) -> None:
    picture = drawn(*values, log_y=log_y)
    numbers = [float(each) for each in re.findall(r"[\d.]+", path_of(picture))]
    assert all(0 <= number <= 640 for number in numbers)
    assert len(list(picture.iter(f"{SVG}text"))) >= 6


def test_many_points_and_curves_are_bounded_and_the_peaks_stay() -> None:
    values = [1.0] * 50_000
    values[31_234] = 70.0
    picture = drawn(*values)
    path = path_of(picture)
    assert path.count("L") <= MOST_POINTS
    heights = [float(each) for each in re.findall(r"L[\d.]+ ([\d.]+)", path)]
    assert min(heights) < 60 < max(heights)
    many = [Curve(f"layer {number}", [(0.0, 1.0), (1.0, 2.0)]) for number in range(40)]
    svg = Chart("t", "x", "y", many).svg()
    names = re.findall(r">(layer \d+)<", svg)
    assert len(names) == MOST_CURVES
    assert (names[0], names[-1]) == ("layer 0", "layer 39")
    assert len(svg) < 10_000


def test_curves_can_be_told_apart_without_colour() -> None:
    many = [Curve(f"layer {number}", [(0.0, 1.0), (1.0, 2.0)]) for number in range(MOST_CURVES)]
    dashes = re.findall(r'stroke-dasharray="([^"]*)"><?', Chart("t", "x", "y", many).svg())
    assert len(set(dashes)) == MOST_CURVES
