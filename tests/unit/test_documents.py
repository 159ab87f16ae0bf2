"""The documents say what the code does: settings, routes, states, codes and paths."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from app.api.problem_kinds import DOMAIN
from app.codes import FailureCode, FindingCode, Status
from app.main import create_app
from app.settings import Settings
from worker.training.diagnosis import (
    batch_rules,
    case,
    data_rules,
    duration_rules,
    fit_rules,
    own_data_rules,
    rate_rules,
    signal_rules,
)
from worker.training.diagnosis.findings import ABOUT

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"\{[A-Z_]+\}", README)


def test_every_setting_is_described() -> None:
    for name in Settings.model_fields:
        assert f"`TRAIND_{name.upper()}`" in README


def test_every_route_is_described() -> None:
    told = re.sub(r"\{\w+\}", "{}", README)
    for path in create_app().openapi()["paths"]:
        last = "/" + path.rpartition("/")[2] if path.count("/") > 1 else path
        assert re.sub(r"\{\w+\}", "{}", last) in told, path


def test_every_state_in_which_a_job_ends_and_every_failure_is_described() -> None:
    for word in [*FailureCode, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED]:
        assert f"`{word}`" in README


def test_problem_codes_are_told_apart() -> None:
    codes = [kind.code for kind in DOMAIN.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_links_and_paths_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link


def test_no_path_of_a_machine_and_no_registry_stands_in_the_pins() -> None:
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins
    assert "@" not in pins


def test_every_finding_is_explained_by_its_test_and_source() -> None:
    told = (ROOT / "docs" / "diagnosis.md").read_text()
    assert set(ABOUT) == set(FindingCode)
    for code in FindingCode:
        assert f"| `{code}`" in told


@pytest.mark.parametrize(
    "rules",
    [
        case,
        data_rules,
        own_data_rules,
        signal_rules,
        batch_rules,
        rate_rules,
        duration_rules,
        fit_rules,
    ],
)
def test_every_threshold_is_told(rules: ModuleType) -> None:
    told = (ROOT / "docs" / "diagnosis.md").read_text()
    numbers = {name: value for name, value in vars(rules).items() if name.isupper()}
    for name, value in numbers.items():
        if isinstance(value, int | float):
            forms = {f"{value:g}", f"{value:,}", f"{100 * value:.4g}%", f"{100 * value:.4g} points"}
            assert any(re.search(rf"(?<![\d.]){form}(?!\d)", told) for form in forms), name
