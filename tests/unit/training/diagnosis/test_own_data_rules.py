"""Faults of one's own data, which explain nothing else."""

import msgspec
import pytest

from app.jobspec import DatasetFacts, JobSpec
from tests.unit.training.diagnosis.test_rules import inspected, measured
from worker.training.diagnosis import rules
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.document import document


def test_duplicates_across_parts_are_said_beside_any_cause() -> None:
    """They explain nothing else, and nothing explains them."""
    sizes = {"classes": 10, "train_images": 1500, "test_images": 400}
    facts = DatasetFacts(input_shape=(3, 32, 32), **sizes, version=2, duplicates=9)
    for duplicates, fields, codes in (
        (8, {}, ["healthy"]),
        (9, {}, ["duplicates_across_parts"]),
        (9, {"normalization": "none"}, ["inputs_not_normalized", "duplicates_across_parts"]),
    ):
        known = {"pets": facts.model_copy(update={"duplicates": duplicates})}
        body = {"dataset": {"name": "pets", **fields}}
        spec = JobSpec.model_validate(body, context=known)
        found = measured(0.99, 0.99, inspection=inspected(200.0 if fields else 1.0))
        findings = rules.findings(Case(spec, found, 10, final=True))
        said = document(spec, findings, found, (10, 1000), final=True)
        assert [each["code"] for each in said["findings"]] == codes
        assert all(each["symptom_of"] is None for each in said["findings"])
    assert "pets@2/report" in said["findings"][1]["advice"]


OWN = DatasetFacts(
    input_shape=(3, 32, 32), classes=2, train_images=200, test_images=50, id="ds_1", version=3
)


def test_a_column_that_gives_the_answer_away_is_said_beside_any_cause() -> None:
    table = {"kind": "table", "input_shape": (4,), "revealing": ("ended_at", "refund")}
    known = {"deals": OWN.model_copy(update=table)}
    spec = JobSpec.model_validate({"dataset": {"name": "deals"}}, context=known)
    found = measured(0.99, 0.99, inspection=inspected())
    findings = rules.findings(Case(spec, found, 2, final=True))
    assert [each.code for each in findings] == ["target_leakage"]
    assert "ended_at, refund" in findings[0].evidence[0].meaning
    assert '"ended_at": "ignore", "refund": "ignore"' in findings[0].advice


def test_findings_of_a_table_speak_of_rows() -> None:
    table = {"kind": "table", "input_shape": (4,)}
    known = {"deals": OWN.model_copy(update=table), "pets": OWN}
    said = {}
    for name in known:
        fields = {"dataset": {"name": name, "normalization": "none"}}
        spec = JobSpec.model_validate(fields, context=known)
        found = measured(0.5, 0.5, inspection=inspected(200.0))
        findings = rules.findings(Case(spec, found, 2, final=True))
        (said[name], *_) = document(spec, findings, found, (10, 1000), final=True)["findings"]
    assert said["pets"]["code"] == said["deals"]["code"] == "inputs_not_normalized"
    assert said["pets"]["explanation"].startswith("The pixels reach the network")
    assert said["deals"]["explanation"].startswith("The values reach the network")
    assert "value" in said["deals"]["evidence"][0]["meaning"]
    assert "pixel" not in str(said["deals"])


@pytest.mark.parametrize(
    ("share", "recall", "final", "is_found"),
    [
        (0.05, 0.5, True, True),
        (0.05, 0.85, True, False),  # these few suffice
        (0.05, -1.0, True, False),  # nobody knows
        (0.05, 0.5, False, False),
        (0.2, 0.5, True, False),  # they are not few
    ],
)
def test_a_class_of_few_examples_is_said_if_it_is_recognized_worse(
    share: float, recall: float, final: bool, is_found: bool
) -> None:
    spec = JobSpec.model_validate({"dataset": {"name": "pets"}}, context={"pets": OWN})
    seen = msgspec.structs.replace(inspected(), shares=[share, 1 - share])
    found = measured(0.95, 0.9, inspection=seen)
    assert found.ending is not None
    found.ending = msgspec.structs.replace(found.ending, recalls=[recall, 0.95])
    codes = [each.code for each in rules.findings(Case(spec, found, 2, final=final))]
    assert ("few_examples" in codes) is is_found
