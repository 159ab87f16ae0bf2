"""A specification as single fields, named as `--set` names them: `training.optimizer.lr`."""

import json
from typing import Any

LOOKED_UP = {"dataset.facts"}
"""What the service adds itself, and no job can say."""


def fields_of(spec: dict[str, Any]) -> dict[str, Any]:
    """Every field by its path; lists and empty objects are values."""
    return dict(_fields(spec, ""))


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Paths of the fields that differ, with both values; an empty text where one has no such field.

    A section that one specification leaves out, as null, is told by the other's fields alone.
    """
    of_a, of_b = fields_of(a), fields_of(b)
    found = []
    for path in [*of_a, *(path for path in of_b if path not in of_a)]:
        values = _value(of_a, path), _value(of_b, path)
        if values[0] != values[1] and not _is_section_of_other(path, of_a, of_b):
            found.append((path, *values))
    return found


def changed_fields(defaults: dict[str, Any], spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Paths and values of the fields that are not the defaults."""
    return [
        (path, value)
        for path, default, value in differences(defaults, spec)
        if value and (default or value != "null")
    ]


def _fields(section: dict[str, Any], before: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in section.items():
        path = before + name
        if path in LOOKED_UP:
            continue
        if isinstance(value, dict) and value:
            found += _fields(value, f"{path}.")
        else:
            found.append((path, value))
    return found


def _value(fields: dict[str, Any], path: str) -> str:
    return json.dumps(fields[path], ensure_ascii=False) if path in fields else ""


def _is_section_of_other(path: str, *specs: dict[str, Any]) -> bool:
    return any(other.startswith(f"{path}.") for fields in specs for other in fields)
