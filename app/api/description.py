"""The API's own description (OpenAPI), where FastAPI's is not what the API answers."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from app.api.problems import JSON, PROBLEM_JSON, is_of_protocol
from app.jobspec import JobSpec
from app.store.keys import Scope

PROTOCOL_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What is wrong, and what to do."}},
}


def describe(app: FastAPI) -> None:
    """Gives error answers their media type, and names the keys that open routes."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        fresh = app.openapi_schema is None
        description = plain()
        if fresh:
            for path, operations in description["paths"].items():
                for method, operation in operations.items():
                    _describe(operation["responses"], is_of_protocol(path))
                    operation["security"] = _needed(app.state.scopes[method.upper(), path])
            schemas = description["components"]["schemas"]
            description["components"]["schemas"] = _schemas_of(JobSpec) | schemas
            schemes = description["components"].setdefault("securitySchemes", {})
            schemes["key"] = {"type": "http", "scheme": "bearer"}
        return description

    app.openapi = openapi  # type: ignore[method-assign]


def _needed(scope: Scope | None) -> list[dict[str, list[str]]]:
    """A key with this scope, or none: no key is asked for until one is made."""
    return [] if scope is None else [{"key": [scope]}, {}]


def _schemas_of(body: type[BaseModel]) -> dict[str, Any]:
    """The schemas of a body that its route reads itself."""
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), body.__name__: schema}


def _describe(responses: dict[str, Any], of_protocol: bool) -> None:
    for status, response in list(responses.items()):
        if status >= "400":
            content = response["content"][JSON]
            response["content"] = {PROBLEM_JSON: content}
            if of_protocol:
                response["content"] = {JSON: {"schema": PROTOCOL_ERROR}}
    if of_protocol and "422" in responses:
        responses["400"] = responses.pop("422")
