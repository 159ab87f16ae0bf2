"""The documents say what the code does: settings, routes, states, codes and paths."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from app.api.problem_kinds import DOMAIN, HTTP
from app.codes import FailureCode, FindingCode, Status
from app.jobspec import JobSpec, Section
from app.main import create_app
from app.settings import Settings
from scripts.reference.markdown import anchor
from worker.training.diagnosis import (
    batch_rules,
    case,
    data_rules,
    duration_rules,
    fit_rules,
    imbalance_rules,
    overfitting_rules,
    own_data_rules,
    rate_rules,
    signal_rules,
)
from worker.training.diagnosis.findings import ABOUT

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
REFERENCE = ROOT / "docs" / "reference"
DOCUMENTS = [
    file.relative_to(ROOT)
    for file in (*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("docs/**/*.md"))
]


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"\{[A-Z_]+\}", README)


def test_every_setting_is_described() -> None:
    told = (REFERENCE / "settings.md").read_text()
    for name in Settings.model_fields:
        assert f"| `TRAIND_{name.upper()}` |" in told


def test_every_route_is_described() -> None:
    told = (REFERENCE / "http.md").read_text()
    for path, methods in create_app().openapi()["paths"].items():
        for method in methods:
            assert f"\n### {method.upper()} {path}\n" in told


def test_every_problem_is_described() -> None:
    told = (REFERENCE / "http.md").read_text()
    for kind in [*DOMAIN.values(), *HTTP.values()]:
        assert f"| `{kind.code}` | {kind.status} |" in told


def fields(section: type[Section]) -> Iterator[str]:
    """The names of a section's fields, and of those of the sections within it."""
    for name, field in section.model_fields.items():
        yield name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Section):
                yield from fields(kind)


def test_every_field_of_a_job_is_described() -> None:
    told = (REFERENCE / "specification.md").read_text()
    for name in fields(JobSpec):
        assert f"| `{name}` |" in told


def test_every_state_in_which_a_job_ends_and_every_failure_is_described() -> None:
    for word in [*FailureCode, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED]:
        assert f"`{word}`" in README


def test_problem_codes_are_told_apart() -> None:
    codes = [kind.code for kind in DOMAIN.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^):]+)\)", (ROOT / document).read_text()):
        file, _, heading = link.partition("#")
        target = (ROOT / document).parent / file if file else ROOT / document
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert heading in map(anchor, headings), link


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for document in (ROOT / "docs").rglob("*.md"):
        assert document.name == "README.md" or f"]({document.relative_to(ROOT / 'docs')})" in index


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
        imbalance_rules,
        overfitting_rules,
    ],
)
def test_every_threshold_is_told(rules: ModuleType) -> None:
    told = (ROOT / "docs" / "diagnosis.md").read_text()
    numbers = {name: value for name, value in vars(rules).items() if name.isupper()}
    for name, value in numbers.items():
        if isinstance(value, int | float):
            forms = {f"{value:g}", f"{value:,}", f"{100 * value:.4g}%", f"{100 * value:.4g} points"}
            assert any(re.search(rf"(?<![\d.]){form}(?!\d)", told) for form in forms), name


def test_no_file_of_code_is_above_300_lines() -> None:
    folders = ("app", "benchmarks", "examples", "scripts", "tests", "traind", "worker")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    ours = [file for file in files if file.suffix in {".py", ".js", ".css", ".sh", ""}]
    lengths = {file: file.read_text().count("\n") for file in ours if "vendor" not in file.parts}
    assert len(lengths) > 500
    assert {file: lines for file, lines in lengths.items() if lines > 300} == {}
