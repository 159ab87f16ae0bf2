"""JSON schemas without what an agent has no use for."""

from typing import Any, cast

from app.jobspec import JobSpec


def spec_schema() -> dict[str, Any]:
    """Every field of a specification that a client may send, with meaning, default and limits."""
    schema = without_titles(JobSpec.model_json_schema())
    del schema["$defs"]["DatasetFacts"]  # only the read-only field refers to it
    return schema


def without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without titles, which repeat names, and without read-only fields."""
    return cast(dict[str, Any], _without_titles(schema))


def _without_titles(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_titles(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _without_titles(each)
        for name, each in part.items()
        if not (name == "title" and isinstance(each, str))
        and not (isinstance(each, dict) and each.get("readOnly"))
    }
