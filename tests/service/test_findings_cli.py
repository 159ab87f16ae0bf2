"""The `traind` command about a run's health, against a real API; the tests play the worker."""

from typing import Any

import pytest

from app.cli.exit_codes import NOT_SUCCEEDED
from tests import runs
from tests.diagnosed import HEALTHY, diagnosis, finding
from tests.service.commands import ended, traind
from tests.service.conftest import Api
from tests.service.test_diagnosis_api import diverge, start, succeed

FOUND = finding("dead_relus", "warning", symptom_of="learning_rate_too_high", title="Dead [red]Re")


@pytest.mark.parametrize("command", ["watch", "diagnose"])
def test_the_end_of_a_run_says_why_and_what_to_try(api: Api, command: str) -> None:
    job = diverge(api, start(api), diagnosis(finding(), FOUND))
    told = traind(api, command, job, code=NOT_SUCCEEDED if command == "watch" else 0)
    for line in (
        "Learning rate too high (critical)",
        "  Each step overshoots the valley. So the loss grows instead of falling.",
        "  loss against its start: 31.5 (a fault above 2); how many times the first loss",
        "  Use a smaller learning rate.",
        "Dead [red]Re (warning, a symptom of learning rate too high)",
        "  /training/optimizer/lr: 100.0 -> 0.01 (Smaller steps do not overshoot)",
        f"  traind retry {job} --apply-suggestion",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("said", "line"),
    [(diagnosis(HEALTHY), "Diagnosis: healthy"), (diagnosis(final=False), "Diagnosis: unknown")],
)
def test_there_is_a_line_where_nothing_is_wrong(api: Api, said: dict[str, Any], line: str) -> None:
    lease = start(api)
    succeed(api, lease, said, 0.9)
    assert traind(api, "diagnose", lease.job_id).splitlines() == [line]


def test_no_cure_is_offered_where_there_is_none(api: Api) -> None:
    evidence = {"name": "loss", "value": None, "threshold": None, "comparison": "above"}
    no_cure = finding("noisy_labels", suggestion=None, evidence=[evidence | {"meaning": "nats"}])
    told = traind(api, "diagnose", diverge(api, start(api), diagnosis(no_cure)))
    assert "loss: not finite; nats" in told
    assert "retry" not in told


def test_a_retry_applies_the_suggestion(api: Api) -> None:
    first = diverge(api, start(api))
    again = ended(api, "retry", first, "--apply-suggestion", code=0).stdout.strip()
    assert api.http.get(f"/jobs/{again}").json()["applied"]
    plain = ended(api, "retry", first, code=0).stdout.strip()
    assert api.http.get(f"/jobs/{plain}").json()["applied"] is None


def test_a_range_test_is_submitted_and_its_rate_told(api: Api) -> None:
    job = api.submit()
    asked = ended(api, "lr-range", job, "--highest", "2", "--no-watch", code=0)
    made = asked.stdout.strip()
    lease = api.start(made)
    spec = api.http.get(f"/jobs/{made}").json()["spec"]
    assert spec["lr_range"] == {"lowest": 1e-06, "highest": 2.0, "batches": 200}
    found = {"curve": [[0.1, 1.0]], "recommended": 0.0213, "lowest": 1e-6, "highest": 2.0}
    found |= {"steepest": None, "diverges_at": None, "advice": "Take a greater `highest`."}
    with api.database.write() as connection:
        runs.record(connection, lease, diagnosis=diagnosis(lr_range=found))
        runs.succeed(connection, lease, None)
    told = traind(api, "watch", made)
    assert "Recommended learning rate: 0.0213 Take a greater `highest`." in told
    assert "Diagnosis" not in told


def test_the_report_is_printed(api: Api) -> None:
    job = diverge(api, start(api))
    assert traind(api, "explain", job).startswith("# reference\n")
    assert traind(api, "explain", job, "--html").startswith("<!doctype html>")
