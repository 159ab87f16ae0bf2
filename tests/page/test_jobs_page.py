"""Jobs in the browser: from the first one to the one that was mended."""

import json
import re

import yaml
from playwright.sync_api import Page, expect

from app.client import Client
from app.jobspec import BUILT_IN_DATASETS
from app.local import Service
from tests.page.conftest import forget, goto, picture

DIGITS = {"dataset": {"name": "digits"}, "training": {"epochs": 3, "log_every": 100}}
LONG = {"dataset": {"name": "digits"}, "training": {"epochs": 5000, "log_every": 5000}}
ODD_NAME = 'yes: it\'s # 1, "quoted" <b>'
YAML = """async (spec) => (await import("/dashboard/job/as_code.js")).yaml(spec)"""
TOO_FAST = {"dataset": {"name": "digits"}, "training": {"epochs": 3, "optimizer": {"lr": 3.0}}}


def test_the_first_thing_to_do_is_one_button_away(page: Page) -> None:
    expect(page.get_by_role("heading", name="Train your first network")).to_be_visible()
    picture(page, "start-new")
    page.get_by_role("button", name="Train on digits").click()
    expect(page.locator(".state.succeeded").first).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Loss: .*training"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Accuracy: .*validation"))).to_be_visible()
    expect(page.locator("pre.log").first).to_contain_text("Finished Training")
    expect(page.locator("main .badge.good").last).to_be_visible()
    picture(page, "job")
    page.get_by_role("link", name="traind", exact=True).click()
    expect(page.get_by_role("heading", name="Newest models")).to_be_visible()
    picture(page, "start")


def test_what_went_wrong_is_said_and_mended_by_a_button(page: Page, service: Service) -> None:
    with Client(service.url) as client:
        job = client.submit({**TOO_FAST, "name": "too fast"})
    goto(page, f"#/jobs/{job['id']}")
    expect(page.get_by_role("heading", name="Learning rate too high critical")).to_be_visible()
    expect(page.get_by_text("training.optimizer.lr")).to_be_visible()
    picture(page, "job-findings")
    page.get_by_role("button", name="Run the suggestion").click()
    expect(page.get_by_role("list", name="Retries").get_by_role("listitem")).to_have_count(2)
    expect(page.locator("main .card p .badge.good, main .finding").first).to_be_visible()


def test_a_job_is_paused_resumed_and_cancelled(page: Page, service: Service) -> None:
    with Client(service.url) as client:
        job = client.submit({**LONG, "name": "long"})
    goto(page, f"#/jobs/{job['id']}")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("main .state.paused")).to_be_visible()
    picture(page, "job-paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("main .state.running")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("main .state.cancelled")).to_be_visible()


def test_built_in_datasets_are_offered_where_data_is_chosen(page: Page) -> None:
    goto(page, "#/data?built-in")
    built_in = page.locator("details", has=page.get_by_role("heading", name="Built in"))
    expect(built_in.get_by_role("link")).to_have_count(len(BUILT_IN_DATASETS))
    assert set(built_in.get_by_role("link").all_inner_texts()) == set(BUILT_IN_DATASETS)
    goto(page, "#/new")
    offered = page.locator("datalist option").evaluate_all("(all) => all.map((one) => one.value)")
    assert set(BUILT_IN_DATASETS) <= set(offered)


def test_the_form_says_what_is_wrong_at_the_field(page: Page, faults: list[str]) -> None:
    goto(page, "#/new")
    page.get_by_label("digits", exact=True).check()
    expect(page.get_by_text("64 → ")).to_be_visible()
    picture(page, "new-job")
    rate = page.get_by_label("learning rate", exact=True)
    rate.fill("-1")
    expect(page.get_by_text("must be above 0")).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
    picture(page, "new-job-refused")
    rate.fill("0.02")
    expect(page.get_by_text("must be above 0")).to_have_count(0)
    expect(page.get_by_label("Code")).to_contain_text('"lr": 0.02')
    page.get_by_label("epochs", exact=True).fill("2")
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_enabled()
    train.click()
    expect(page.locator("main .state.succeeded")).to_be_visible()
    expect(page.get_by_label("Specification")).to_contain_text('"lr": 0.02')
    page.get_by_role("link", name="Change and run").click()
    expect(page.get_by_label("learning rate", exact=True)).to_have_value("0.02")
    expect(page.get_by_label("epochs", exact=True)).to_have_value("2")
    forget(faults, "422")


def test_the_form_is_given_as_yaml(page: Page) -> None:
    goto(page, "#/new?preset=digits")
    page.get_by_label("name of the job").fill(ODD_NAME)
    page.get_by_label("learning rate", exact=True).fill("0.0000003")
    page.get_by_label("hidden layers").fill("32, 16")
    page.get_by_role("button", name="JSON", exact=True).click()
    spec = json.loads(page.get_by_label("Code").inner_text())
    assert spec["training"]["optimizer"]["lr"] == 3e-7
    page.get_by_role("button", name="YAML", exact=True).click()
    expect(page.get_by_text("traind submit job.yaml")).to_be_visible()
    assert yaml.safe_load(page.get_by_label("Code").inner_text()) == spec
    picture(page, "new-job-yaml")
    odd = {
        "labels": {"on": "yes", "1": "2026-01-01", 'a: "b"': "\x7f\u2028\u00e9\U0001f600", "": ""},
        "numbers": [1, -0.5, 1e21, 1e-7, None, True, "no"],
        "empty": {}, "none": [], "deep": {"deeper": {"n": None}}, "each": [{"null": "~"}],
    }  # fmt: skip
    written = page.evaluate(YAML, odd)
    assert yaml.safe_load(written) == odd


def test_a_range_test_recommends_a_rate_to_train_with(page: Page, service: Service) -> None:
    with Client(service.url) as client:
        job = client.submit(DIGITS)
    goto(page, f"#/jobs/{job['id']}")
    page.get_by_role("button", name="Test learning rates").click()
    expect(page.get_by_text("Recommended rate")).to_be_visible()
    picture(page, "job-rates")
    page.get_by_role("link", name=re.compile("Train with")).click()
    expect(page.get_by_label("learning rate", exact=True)).not_to_have_value("")


def test_jobs_are_filtered_followed_and_compared(page: Page, service: Service) -> None:
    hostile = "<img src=x onerror=\"document.title='broken'\">" + "long " * 20
    with Client(service.url) as client:
        for name, rate in [("slow", 0.0001), ("usual", 0.01)]:
            spec = {**DIGITS, "name": name, "training": {"epochs": 2, "optimizer": {"lr": rate}}}
            client.submit(spec)
        client.submit({**DIGITS, "name": hostile[:128], "labels": {"team": "vision"}})
        goto(page, "#/jobs")
        expect(page.locator("main tr[data-id] .state.succeeded").first).to_be_visible()
        expect(page.locator("img[src=x]")).to_have_count(0)
        later = client.submit({**LONG, "name": "appears by itself"})
        row = page.locator(f"tr[data-id={later['id']}]")
        expect(row.locator(".state.running")).to_be_visible()
        picture(page, "jobs")
        client.cancel(later["id"])
        expect(row.locator(".state.cancelled")).to_be_visible()
    page.get_by_label("Name or id").fill("slow")
    expect(page.locator("tr[data-id]")).to_have_count(1)
    page.get_by_label("Name or id").fill("no such name")
    expect(page.get_by_text("No job matches")).to_be_visible()
    page.get_by_label("Name or id").fill("")
    page.get_by_label("Label", exact=True).fill("team:vision")
    expect(page.locator("tr[data-id]")).to_have_count(1)
    page.get_by_label("Label", exact=True).fill("")
    page.get_by_label("Compare slow").check()
    page.get_by_label("Compare usual").check()
    page.get_by_role("button", name="Compare 2 jobs").click()
    expect(page.get_by_role("row", name=re.compile("training.optimizer.lr"))).to_contain_text(
        "0.0001"
    )
    expect(page.get_by_role("img", name=re.compile("slow .*; usual"))).to_be_visible()
    picture(page, "jobs-compared")
