"""docs/reference/types.md: the fields of what the API takes and answers."""

from enum import StrEnum
from typing import Any

from app.codes import (
    DatasetStatus,
    FailureCode,
    FindingCode,
    NoVerdict,
    Picture,
    Scope,
    Severity,
    Status,
    WaitReason,
    WorkerStatus,
)
from app.mcp.meanings import meanings
from scripts.reference import specification
from scripts.reference.markdown import code, page_of, table
from scripts.reference.routes import document, refer
from scripts.reference.schema_words import Schema, answered_fields, taken_fields

ABOUT = """\
What the [routes](http.md) take and answer, by name. The type of a job's specification has
[a page of its own](specification.md)."""
PAGE = "A page of a list: send `next` as the parameter `after` to get what follows."
LISTS: dict[str, type[StrEnum]] = {
    kind.__name__: kind
    for kind in (
        DatasetStatus, FailureCode, FindingCode, NoVerdict, Picture, Scope, Severity, Status,
        WaitReason, WorkerStatus,
    )
}  # fmt: skip
"""Closed lists of codes."""


def page() -> str:
    """The types in the order of their names; those of pages of a list are one."""
    schemas = document()["components"]["schemas"]
    own = schemas.keys() - specification.sections().keys()
    named = {name: schemas[name] for name in own if not name.startswith("Page_")}
    first = next(name for name in schemas if name.startswith("Page_"))
    named["Page"] = schemas[first] | {"description": PAGE}
    blocks, taken = [ABOUT], _taken()
    for name in sorted(named):
        schema = named[name]
        blocks += [f"## {name}", schema["description"], _contents(name, schema, taken)]
    return page_of("Types", *blocks)


def _contents(name: str, schema: Schema, taken: set[str]) -> str:
    if name in LISTS:
        told = meanings(LISTS[name])
        rows = [(code(value), told.get(value, "")) for value in LISTS[name]]
        return table(["value", "meaning"], rows)
    fields = taken_fields if name in taken else answered_fields
    return fields(schema, document()["components"]["schemas"], refer)


def _taken() -> set[str]:
    """Names of the types that a request brings, and of those within them."""
    operations = [each for path in document()["paths"].values() for each in path.values()]
    found: set[str] = set()
    waiting = _named([each.get("requestBody") for each in operations])
    while waiting:
        found |= waiting
        schemas = [document()["components"]["schemas"][name] for name in waiting]
        waiting = _named(schemas) - found
    return found


def _named(part: Any) -> set[str]:
    """The types that any part of the document names."""
    if isinstance(part, dict):
        own = {part["$ref"].rpartition("/")[2]} if "$ref" in part else set()
        return own.union(*map(_named, part.values()))
    return set().union(*map(_named, part)) if isinstance(part, list) else set()
