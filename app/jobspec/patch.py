"""A spec with a change on top: JSON merge patches (RFC 7396)."""

from collections.abc import Mapping
from typing import Any

from app.jobspec import Dataset, DatasetFacts, JobSpec


def merged(target: Any, patch: Any) -> Any:
    """The target as the patch leaves it; what the patch says is null is removed (section 2)."""
    if not isinstance(patch, dict):
        return patch
    fields = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = merged(fields.get(name), value)
    return fields


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The patch that makes `after` of `before`: only what changes."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            if changes := difference(old, value):
                patch[name] = changes
        elif old != value:
            patch[name] = value
    return patch


def change(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The patch that makes one stored spec of another, without what the service looks up itself."""
    return difference(_without_facts(before | {"preset": None}), _without_facts(after))


def corrected(
    spec: dict[str, Any],
    *patches: dict[str, Any],
    known: Mapping[str, DatasetFacts] | None = None,
) -> JobSpec:
    """The stored spec with the patches on it, in turn, validated as a new one.

    A stored spec names every field, so its preset has done its work: kept, it would refill what a
    patch removes. The dataset's facts stay with its name; another dataset's are `known`.

    Raises:
        ValidationError: the patches make no valid spec of it.
    """
    dataset = Dataset.stored(spec["dataset"])
    spec = _without_facts(spec)
    for patch in patches:
        spec = merged(spec | {"preset": None}, patch)
    return JobSpec.model_validate(spec, context={**(known or {}), dataset.name: dataset.facts})


def _without_facts(spec: dict[str, Any]) -> dict[str, Any]:
    dataset = {name: value for name, value in spec["dataset"].items() if name != "facts"}
    return spec | {"dataset": dataset}
