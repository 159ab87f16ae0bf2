"""From pydantic's validation errors to which field is wrong and what it must be."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from app.jobspec import JobSpec

UNION = re.compile(r"(literal|list|dict)\[.*\]|constrained-(int|float|str)")
"""How pydantic names a type of a union in a path."""
OTHER_KINDS = {"int_type", "float_type", "string_type", "bool_type", "list_type", "dict_type"}
OTHER_KINDS |= {"int_from_float", "literal_error", "model_type"}
"""Types of errors by which a value is not at all what a type of a union takes."""
WORDS = {
    "missing": "is required",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "string_unicode": "must be valid Unicode, without lone surrogates",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} items, not {actual_length}",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "none_required": "must be null or left out",
    "extra_forbidden": "is not known here; the fields are {known}",
}
"""Our wording of pydantic's errors by their type; other types keep pydantic's wording."""


def explain(
    errors: Iterable[Mapping[str, Any]], body: type[BaseModel] = JobSpec
) -> list[dict[str, str]]:
    """Each error as its place (`pointer`, `parameter` or `header`) and what must change.

    A place in `patch` is one in the specification that a patch would make.

    What the client sent is left out: it may be large, not JSON, or secret.
    """
    explained = [
        (_union(error), {**_place(error), "detail": _detail(error, body)}) for error in errors
    ]
    meant = {union.at for union, _ in explained if union and union.is_meant}
    said: list[dict[str, str]] = []
    others: dict[tuple[str | int, ...], dict[str, str]] = {}
    for union, each in explained:
        if union is None or union.is_meant:
            said.append(each)
        elif union.at in others:
            others[union.at]["detail"] += f" or {each['detail'].removeprefix('must be ')}"
        elif union.at not in meant:
            others[union.at] = each
            said.append(each)
    return said


class _Union(NamedTuple):
    """A field that takes several types: pydantic tells for each of them why the value is none."""

    at: tuple[str | int, ...]
    is_meant: bool
    """Whether the error is about the type that the client has sent, such as a list."""


def _union(error: Mapping[str, Any]) -> _Union | None:
    """The union in which an error lies; None if it lies in none."""
    path = error["loc"]
    for depth, part in enumerate(path):
        if isinstance(part, str) and UNION.fullmatch(part):
            is_other = len(path) == depth + 1 and error["type"] in OTHER_KINDS
            return _Union(tuple(path[:depth]), not is_other)
    return None


def pointer(path: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) such as /training/optimizer/lr."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _place(error: Mapping[str, Any]) -> dict[str, str]:
    source, *path = error["loc"]
    if source in {"body", "patch"}:
        # A validator of the whole spec says itself which field it means.
        named = error.get("ctx", {}).get("field")
        fields = named.split(".") if named else [part for part in path if not _is_tag(part)]
        return {"pointer": pointer(fields if source == "body" else ["patch", *fields])}
    place = "header" if source == "header" else "parameter"
    return {place: str(path[0])}


def _is_tag(part: str | int) -> bool:
    """Whether pydantic added this to the path: the type of a union that it tried, or a key."""
    return isinstance(part, str) and (part == "[key]" or UNION.fullmatch(part) is not None)


def _detail(error: Mapping[str, Any], body: type[BaseModel]) -> str:
    words = WORDS.get(error["type"])
    if words is None:
        return str(error["msg"])
    facts = {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in error.get("ctx", {}).items()
    }
    part = JobSpec if error["loc"][0] == "patch" else body
    known = ", ".join(_siblings(error["loc"], part)) if "{known}" in words else ""
    return words.format(**facts, known=known)


def _siblings(location: Sequence[str | int], part: type[BaseModel]) -> list[str]:
    """The fields of the part of a body in which an error lies."""
    for name in location[1:-1]:
        annotation = part.model_fields[str(name)].annotation
        nested = (annotation, *get_args(annotation))  # a part that may be null is a union
        part = next(
            each for each in nested if isinstance(each, type) and issubclass(each, BaseModel)
        )
    return list(part.model_fields)
