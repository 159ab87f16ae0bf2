"""Errors of a spec with a preset: they name fields that the client sent, or the preset itself."""

import json
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from app.jobspec.presets import PRESETS

BETWEEN_FIELDS = {"option_without_effect", "does_not_fit"}
"""Types of errors between two fields; the preset may have set one of them."""

BUILT_IN = frozenset(get_args(ErrorType))
"""Types of errors that pydantic knows; the others carry their own message."""


def explained(
    error: ValidationError, preset: str, sent: dict[str, Any], spec: type[BaseModel]
) -> ValidationError:
    """The same error; what only the preset sets is reported at `preset`, and how to override it."""
    errors = [_explained(each, preset, sent, spec) for each in error.errors()]
    return ValidationError.from_exception_data(error.title, errors)


def _explained(
    error: Any, preset: str, sent: dict[str, Any], spec: type[BaseModel]
) -> InitErrorDetails:
    context = error.get("ctx", {})
    place = InitErrorDetails(
        type=error["type"], loc=error["loc"], input=error["input"], ctx=context
    )
    path = context["field"].split(".") if "field" in context else error["loc"]
    if _holds(PRESETS[preset].spec, path) and not _holds(sent, path):
        field, default = ".".join(path), json.dumps(_default(spec, path))
        reason = context.get("reason", error["msg"])
        message = f"{preset} sets {field}, but {reason}; set {field} to {default}"
        about = {"message": message, "field": "preset"}
        return _custom("preset_does_not_fit", about, place)
    if error["type"] in BETWEEN_FIELDS:
        message = f"{error['msg']} (the preset {preset} sets what this spec leaves out)"
        return _custom(error["type"], context | {"message": message}, place)
    if error["type"] not in BUILT_IN:
        return _custom(error["type"], context | {"message": error["msg"]}, place)
    return place


def _custom(kind: Any, context: dict[str, Any], place: InitErrorDetails) -> InitErrorDetails:
    error = PydanticCustomError(kind, "{message}", context)
    return InitErrorDetails(type=error, loc=place.get("loc", ()), input=place["input"])


def _holds(fields: Any, path: Sequence[str]) -> bool:
    """Whether there is a value at this path."""
    for name in path:
        if not isinstance(fields, dict) or name not in fields:
            return False
        fields = fields[name]
    return True


def _default(section: type[BaseModel], path: Sequence[str]) -> Any:
    """The value of a field that a spec without preset leaves out."""
    field = section.model_fields[path[0]]
    if len(path) == 1:
        return field.default
    kinds = (field.annotation, *get_args(field.annotation))  # a section that may be null is a union
    nested = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return _default(nested, path[1:])
