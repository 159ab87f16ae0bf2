"""`traind submit`: a job from a file, a recipe and single fields; what it prints and exits with."""

from pathlib import Path
from typing import Any

import pytest

from app.cli.exit_codes import NOT_SUCCEEDED, USAGE
from tests.diagnosed import HEALTHY, diagnosis
from tests.service.commands import documents, ended, refusal, traind
from tests.service.conftest import Api
from tests.service.test_diagnosis_api import diverge, start, succeed


def submitted(api: Api, *arguments: str) -> dict[str, Any]:
    """The specification of the job that the command makes."""
    (job,) = documents(api, "submit", "--no-watch", *arguments)
    assert api.http.get(f"/jobs/{job['id']}").json()["spec"] == job["spec"]
    spec: dict[str, Any] = job["spec"]
    return spec


def test_nothing_said_is_the_reference_job(api: Api) -> None:
    assert submitted(api)["name"] == "reference"
    printed = ended(api, "submit", "--no-watch", code=0)
    assert [line[:4] for line in printed.stdout.splitlines()] == ["job_"]
    assert printed.stderr.startswith("No worker is alive yet")


def test_one_wrong_field_is_told_once_and_several_in_a_line_each(api: Api) -> None:
    one = refusal(api, "submit", "--no-watch", "--set", "priority=101")
    assert one.count("/priority") == 1
    assert len(one.splitlines()) == 1
    two = refusal(api, "submit", "--no-watch", "--set", "priority=101", "--set", "name=7")
    assert len(two.splitlines()) == 3


def test_a_recipe_with_fields_on_top(api: Api) -> None:
    spec = submitted(
        api, "--preset", "digits", "--name", "[red]mine", "--set", "training.optimizer.lr=0.05",
        "--set", "model.hidden=[30, 20]", "--set", "labels.team=vision=1", "--set", "name=2 names",
        "--set", "training.schedule=null",
    )  # fmt: skip
    assert spec["preset"] == spec["dataset"]["name"] == "digits"
    assert spec["training"]["optimizer"]["lr"] == 0.05
    assert spec["training"]["batch_size"] == 16
    assert spec["training"]["schedule"] is None
    assert spec["model"]["hidden"] == [30, 20]
    assert spec["labels"] == {"team": "vision=1"}
    assert spec["name"] == "2 names"


def test_a_field_is_laid_over_the_file(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"name": "file", "training": {"epochs": 7, "schedule": null}}')
    spec = submitted(
        api, str(file), "--set", "training.seed=3", "--set", "training.schedule.name=cosine"
    )
    assert (spec["name"], spec["training"]["epochs"], spec["training"]["seed"]) == ("file", 7, 3)
    assert spec["training"]["schedule"]["name"] == "cosine"


YAML = """\
# a comment
name: 2026-11-26
labels: {team: "no", answer: no, when: 12:30}
training:
  epochs: 2
  optimizer: {lr: 1e-3}
dataset: {validation_fraction: .25, limit: null}
diagnosis: true
"""


@pytest.mark.parametrize("name", ["job.yaml", "JOB.YML"])
def test_yaml_means_what_json_would(api: Api, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(YAML)
    spec = submitted(api, str(tmp_path / name))
    assert spec["name"] == "2026-11-26"
    assert spec["labels"] == {"team": "no", "answer": "no", "when": "12:30"}
    assert (spec["training"]["epochs"], spec["training"]["optimizer"]["lr"]) == (2, 0.001)
    assert spec["dataset"]["validation_fraction"] == 0.25


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [1", "is not YAML: while parsing"),
        ("name: a\nname: b", "'name' appears twice"),
        ("a: &x {b: 1}\nc: *x", "*x refers to another place"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("a: !!timestamp 2020-01-01", "not JSON serializable"),
        ("a: 1e999", "not JSON compliant"),
        ("[1, 2]: 3", "the name of a field is no text"),
        ("- 1", "holds no object of fields"),
    ],
)
def test_yaml_that_is_no_job_is_told(api: Api, tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    message = refusal(api, "submit", "--no-watch", str(file))
    assert why in message
    assert message.startswith(str(file))
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ("training.optimiser.lr=1", "/training/optimiser"),
        ("training.epochs=many", "/training/epochs"),
        ("training.epochs=NaN", "/training/epochs"),
        ("preset=nothing", "/preset"),
        ("model.hidden.0=5", "/model/hidden"),
    ],
)
def test_what_is_no_field_or_value_is_refused_by_the_api(
    api: Api, change: str, pointer: str
) -> None:
    before = api.rows()
    assert refusal(api, "submit", "--no-watch", "--set", change).startswith(f"{pointer}: ")
    assert api.rows() == before


@pytest.mark.parametrize("change", ["training.epochs", "=3"])
def test_a_change_that_is_none_is_a_fault_of_usage(api: Api, change: str) -> None:
    before = api.rows()
    assert "PATH=VALUE" in traind(api, "submit", "--no-watch", "--set", change, code=USAGE)
    assert api.rows() == before


def test_the_job_is_followed_and_its_end_decides_the_exit_code(api: Api) -> None:
    lease = start(api)
    succeed(api, lease, diagnosis(HEALTHY), 0.9)
    told = traind(api, "watch", lease.job_id)
    assert f"{lease.job_id} has succeeded" in told
    failed = diverge(api, start(api))
    told = traind(api, "watch", failed, code=NOT_SUCCEEDED)
    assert f"{failed} has failed (diverged): " in told
    cancelled = api.submit()
    traind(api, "cancel", cancelled)
    told = traind(api, "watch", cancelled, code=NOT_SUCCEEDED)
    assert f"{cancelled} was cancelled" in told


def test_scripts_get_a_line_for_each_message_and_the_job_at_last(api: Api) -> None:
    failed = diverge(api, start(api))
    lines = documents(api, "watch", failed, code=NOT_SUCCEEDED)
    assert lines[0]["kind"] == "state"
    assert [line["kind"] for line in lines[-2:]] == ["diagnosis", "job"]
    assert lines[-1]["data"] == api.http.get(f"/jobs/{failed}").json()
