"""Merge patches, by the examples of RFC 7396, appendix A; and specs that they correct."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.jobspec import BUILT_IN_DATASETS, JobSpec
from app.jobspec.patch import change, corrected, difference, merged

EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
def test_the_examples_of_the_standard(target: Any, patch: Any, result: Any) -> None:
    before = repr(target)
    assert merged(target, patch) == result
    assert repr(target) == before


def spec(**fields: Any) -> dict[str, Any]:
    return JobSpec.model_validate(fields).model_dump(mode="json")


def test_what_is_removed_is_the_default_again_and_not_the_presets() -> None:
    stored = spec(preset="digits")
    assert stored["training"]["schedule"]["name"] == "one_cycle"
    found = corrected(stored, {"training": {"schedule": None, "epochs": None}})
    assert found.training.schedule is None
    assert found.training.epochs == 10
    assert found.training.optimizer.lr == 0.02
    assert found.preset is None


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4, "d": 3}}, {"b": {"c": 4}}),
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}, {}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": None, "c": 2}}),
        ({"a": [1], "b": None}, {"a": [2], "b": {"c": 1}}, {"a": [2], "b": {"c": 1}}),
        ({"a": {"b": 1}}, {"a": [1], "c": 0}, {"a": [1], "c": 0}),
    ],
)
def test_a_difference_is_what_changes_and_makes_it(
    before: dict[str, Any], after: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert difference(before, after) == patch
    assert merged(before, patch) == after


def test_patches_come_in_turn() -> None:
    slow, slower = ({"training": {"optimizer": {"lr": rate}}} for rate in (0.1, 0.01))
    assert corrected(spec(), slow, slower).training.optimizer.lr == 0.01


@pytest.mark.parametrize("patch", [{"training": {"epochs": 0}}, {"model": {"kind": "x"}}, {"a": 1}])
def test_what_makes_no_valid_spec_is_refused(patch: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        corrected(spec(), patch)


def test_facts_stay_with_the_datasets_name_and_are_looked_up_for_another() -> None:
    stored = spec(dataset={"name": "digits"})
    stored["dataset"]["facts"]["train_images"] = 5000
    kept = corrected(stored, {"training": {"epochs": 2}})
    assert kept.dataset.facts.train_images == 5000
    other = corrected(stored, {"dataset": {"name": "mnist"}})
    assert other.dataset.facts == BUILT_IN_DATASETS["mnist"]
    applied = change(stored, other.model_dump(mode="json"))
    assert applied == {"dataset": {"name": "mnist"}}
    del stored["dataset"]["facts"]
    assert corrected(stored, {}).dataset.facts == BUILT_IN_DATASETS["digits"]
