"""docs/reference/types.md: the fields of what the API takes and answers."""

from enum import StrEnum

from app.codes import FailureCode, FindingCode, NoVerdict, Picture, Scope, Severity
from app.mcp.meanings import meanings
from app.store.datasets import DatasetStatus
from app.store.states import Status
from scripts.reference import specification
from scripts.reference.markdown import code, page as page_of, table
from scripts.reference.routes import document, refer
from scripts.reference.schema_words import Schema, fields_table

ABOUT = """\
What the [routes](http.md) take and answer, by name. The type of a job's specification has
[a page of its own](specification.md)."""
PAGE = "A page of a list: send `next` as the parameter `after` to get what follows."
LISTS: dict[str, type[StrEnum]] = {
    kind.__name__: kind
    for kind in (
        DatasetStatus, FailureCode, FindingCode, NoVerdict, Picture, Scope, Severity, Status,
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
    blocks = [ABOUT]
    for name in sorted(named):
        blocks += [f"## {name}", named[name]["description"], _contents(name, named[name])]
    return page_of("Types", *blocks)


def _contents(name: str, schema: Schema) -> str:
    if name in LISTS:
        told = meanings(LISTS[name])
        rows = [(code(value), told.get(value, "")) for value in LISTS[name]]
        return table(["value", "meaning"], rows)
    return fields_table(schema, document()["components"]["schemas"], refer)
