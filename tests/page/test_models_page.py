"""Models in the page: listed, looked at, promoted, rolled back, compared, deleted."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from safetensors.numpy import load

from app.client import Client
from app.local import Service
from tests.page.conftest import forget, goto, picture
from tests.waiting import ended

HOSTILE = "<img src=x onerror=alert(1)>"
RTL = "שלום\u202egnp.exe"
LONG = "w" * 200
PIXEL = """([unit, x, y]) => {
  const canvas = document.querySelectorAll(".units canvas")[unit];
  return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
}"""


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.fixture(scope="module")
def models(client: Client) -> dict[str, dict[str, Any]]:
    """Trained by short jobs, oldest first: a weak one, a better one, a cnn, one of a table."""
    digits = {"name": "digits"}
    training = {"epochs": 3, "batch_size": 32}
    wanted = {
        "weak": {"dataset": digits, "model": {"hidden": [2]}, "training": training | {"epochs": 1}},
        "better": {"dataset": digits, "model": {"hidden": [70]}, "training": training},
        "cnn": {"dataset": digits, "model": {"kind": "cnn"}, "training": training},
        "table": {"dataset": {"name": "breast-cancer"}, "training": training},
    }
    made = {}
    for name, spec in wanted.items():
        job = ended(client, client.submit({"name": name, **spec}))
        assert job["status"] == "succeeded", job["failure"]
        made[name] = client.model(job["model"])
    return made


@pytest.fixture
def http(client: Client) -> Iterator[httpx.Client]:
    """The API, without a model in production before and after."""
    client._http.delete("/models/aliases/production")
    yield client._http
    client._http.delete("/models/aliases/production")


def test_without_models_the_list_says_what_to_do(page: Page) -> None:
    goto(page, "#/models")
    expect(page.get_by_role("heading", name="There are no models yet")).to_be_visible()
    picture(page, "models-empty")
    page.get_by_role("link", name="Train one").click()
    expect(page).to_have_url(f"{page.url.split('#')[0]}#/new")


def test_models_are_sorted_and_filtered(page: Page, models: dict[str, Any]) -> None:
    goto(page, "#/models")
    names = page.locator("tbody th a")
    expect(names).to_have_text(list(reversed(models)))
    expect(page.get_by_role("row", name="table").get_by_text("latest")).to_be_visible()
    picture(page, "models-list")
    page.get_by_label("Order").select_option("accuracy")
    page.get_by_label("Dataset").fill("digits")
    best_first = sorted(
        (name for name in models if name != "table"),
        key=lambda name: -models[name]["metrics"]["test_accuracy"],
    )
    expect(names).to_have_text(best_first)
    page.reload()  # the address keeps both
    expect(names).to_have_text(best_first)
    page.get_by_label("Dataset").fill("nothing")
    expect(page.get_by_role("heading", name="No model was trained on nothing")).to_be_visible()


def test_a_model_shows_its_report(page: Page, client: Client, models: dict[str, Any]) -> None:
    model = models["better"]
    report = client._http.get(f"/models/{model['id']}/report").json()
    goto(page, f"#/models/{model['id']}")
    facts = page.get_by_label("Facts")
    expect(facts).to_contain_text(f"{report['accuracy']['value']:.2%}")
    expect(facts).to_contain_text(f"{report['accuracy']['low']:.2%}")
    expect(facts.get_by_role("link", name=model["job"])).to_have_attribute(
        "href", f"#/jobs/{model['job']}"
    )
    expect(page.get_by_role("link", name="Try it").nth(1)).to_have_attribute(
        "href", f"#/try?model={model['id']}"
    )
    cells = page.locator(".matrix tbody tr").nth(3).locator("td")
    row = [str(count) if count else "·" for count in report["confusion_matrix"][3]]
    expect(cells).to_have_text(row)
    mistakes = page.locator(".card", has=page.get_by_role("heading", name="The worst mistakes"))
    expect(mistakes.locator("img")).to_have_count(len(report["worst_mistakes"]))
    shown = page.get_by_role("row", name="Mean").first
    expect(shown).to_contain_text(f"{report['macro']['f1']:.1%}")
    picture(page, "model")
    page.get_by_text("Download").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Weights").click()
    content = downloading.value.path().read_bytes()
    assert content == client._http.get(f"/models/{model['id']}/weights").content


def test_the_first_layer_is_drawn_from_its_weights(
    page: Page, client: Client, models: dict[str, Any]
) -> None:
    model = models["better"]["id"]
    goto(page, f"#/models/{model}")
    canvases = page.locator(".units canvas")
    expect(canvases).to_have_count(64)
    page.get_by_role("button", name="6 more").click()
    expect(canvases).to_have_count(70)
    tensors = load(client._http.get(f"/models/{model}/weights").content)
    (weights,) = (each for each in tensors.values() if each.shape == (70, 64))
    for unit in (0, 69):
        scaled = weights[unit] / np.abs(weights[unit]).max()
        strongest = int(np.abs(scaled).argmax())
        expected = (178, 24, 43) if scaled[strongest] > 0 else (33, 102, 172)
        pixel = page.evaluate(PIXEL, [unit, strongest % 8, strongest // 8])
        assert pixel == [*expected, 255]
    goto(page, f"#/models/{models['cnn']['id']}")
    expect(page.get_by_text("kernels of")).to_be_visible()
    picture(page, "model-cnn")


def test_a_model_of_a_table_shows_what_it_looks_at(
    page: Page, client: Client, models: dict[str, Any]
) -> None:
    model = models["table"]["id"]
    columns = client._http.get(f"/models/{model}/report").json()["columns"]
    goto(page, f"#/models/{model}")
    first = max(columns, key=lambda each: each["importance"])["name"]
    section = page.locator(".card", has=page.get_by_role("heading", name="What it looks at"))
    expect(section.locator("tbody tr").first).to_contain_text(first)
    expect(page.get_by_text("What the first layer looks for")).to_be_hidden()
    picture(page, "model-table")


def test_models_are_promoted_and_rolled_back(
    page: Page, http: httpx.Client, models: dict[str, Any]
) -> None:
    production = page.get_by_label("Production")
    goto(page, f"#/models/{models['weak']['id']}")
    expect(production).to_contain_text("No model is in production yet")
    page.get_by_role("button", name="Promote to production").click()
    expect(production).to_contain_text("This model answers predictions")
    expect(page.locator(".title .badge.good")).to_have_text("production")
    goto(page, f"#/models/{models['better']['id']}")
    verdict = http.get(
        "/models/compare", params={"a": models["weak"]["id"], "b": models["better"]["id"]}
    ).json()["verdict"]
    expect(production).to_contain_text(verdict)
    picture(page, "model-promote")
    page.get_by_role("button", name="Promote to production").click()
    expect(production).to_contain_text("This model answers predictions")
    assert http.get("/models/aliases/production").json()["model"] == models["better"]["id"]
    page.get_by_role("button", name="Roll back").click()
    expect(production.get_by_role("link", name=models["weak"]["id"]).first).to_be_visible()
    expect(production.locator("ol").first.locator("li")).to_have_count(3)
    assert http.get("/models/aliases/production").json()["model"] == models["weak"]["id"]
    picture(page, "model-rolled-back")
    goto(page, f"#/models/{models['table']['id']}")
    expect(production).to_contain_text("not measured on the same test images")


def test_two_models_are_compared(page: Page, client: Client, models: dict[str, Any]) -> None:
    goto(page, "#/models")
    page.get_by_label("Compare weak").check()
    page.get_by_label("Compare table").check()
    page.get_by_label("Compare better").check()  # the first of three is let go
    expect(page.get_by_label("Compare weak")).not_to_be_checked()
    page.get_by_label("Compare table").uncheck()
    page.get_by_label("Compare weak").check()
    picture(page, "models-chosen")
    page.get_by_role("link", name="Compare the two").click()
    a, b = models["better"]["id"], models["weak"]["id"]
    found = client._http.get("/models/compare", params={"a": a, "b": b}).json()
    expect(page.get_by_role("heading", name=found["verdict"])).to_be_visible()
    expect(page.get_by_text("Right only with a").locator("..")).to_contain_text(
        str(found["discordant"]["only_a"])
    )
    low = -100 * found["difference"]["low"]
    expect(page.get_by_text("95% interval").locator("..")).to_contain_text(f"−{low:.2f} points")
    expect(page.locator("tbody tr")).to_have_count(10)
    picture(page, "models-compare")
    page.get_by_role("link", name="Swap").click()
    expect(page.get_by_label("Model a")).to_contain_text("weak")


def test_models_of_other_data_are_not_compared(
    page: Page, models: dict[str, Any], faults: list[str]
) -> None:
    goto(page, f"#/models/compare?a={models['table']['id']}&b={models['weak']['id']}")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("These cannot be compared")
    expect(alert).to_contain_text("trained on the same dataset")
    picture(page, "models-compare-refused")
    forget(faults, "409")


def test_hostile_names_are_text(page: Page, client: Client, models: dict[str, Any]) -> None:
    names = {"weak": HOSTILE, "better": LONG, "cnn": RTL}
    for model, name in names.items():
        client._http.patch(f"/models/{models[model]['id']}", json={"name": name})
    addresses = [
        "#/models",
        *(f"#/models/{models[name]['id']}" for name in names),
        f"#/models/compare?a={models['weak']['id']}&b={models['better']['id']}",
    ]
    for address in addresses:
        goto(page, address)
        assert page.locator("#main img[src=x]").count() == 0
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    goto(page, "#/models")
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    expect(page.get_by_role("link", name=LONG)).to_be_visible()
    picture(page, "models-hostile")
    for model in names:
        client._http.patch(f"/models/{models[model]['id']}", json={"name": model})


def test_a_model_is_deleted_after_a_question(
    page: Page, client: Client, models: dict[str, Any], faults: list[str]
) -> None:
    goto(page, f"#/models/{models['table']['id']}")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#notice")).to_contain_text("latest")  # why it cannot be
    forget(faults, "409")
    goto(page, f"#/models/{models['cnn']['id']}")
    page.get_by_role("button", name="Delete").click()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert client.model(models["cnn"]["id"])
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#notice")).to_have_text("The model is deleted.")
    expect(page.locator("tbody th a")).to_have_text(["table", "better", "weak"])
