"""From msgspec's validation errors to which field is wrong and what it must be."""

import re
from collections.abc import Mapping

import msgspec

from app.api.plain_words import pointer
from app.api.problem_kinds import InvalidBody

PLACE = re.compile(r" - at `\$(.*)`$")
FIELD = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)


def explained(error: msgspec.ValidationError) -> tuple[str, str]:
    """What msgspec found, and where, as a JSON pointer."""
    message = str(error)
    place = PLACE.search(message)
    path = re.findall(r"[^.\[\]]+", place[1]) if place else []
    return message[: place.start()] if place else message, pointer(path)


def refusal(
    error: msgspec.ValidationError,
    body: type[msgspec.Struct],
    values: Mapping[str, tuple[str, ...]],
) -> InvalidBody:
    """What is wrong with a field of a body, as other routes say it of theirs.

    `values` are those that fields with few allowed ones take, by their pointers.
    """
    detail, path = explained(error)
    detail = f"{detail[:1].lower()}{detail[1:]}"
    if found := FIELD.fullmatch(str(error)):
        path = pointer([found[2]])
        detail = f"is not known here; the fields are {', '.join(body.__struct_fields__)}"
        if found[1] == "missing required":
            detail = "is required"
    elif path in values:
        detail = f"must be one of {', '.join(map(repr, values[path]))}"
    return InvalidBody(f"{path or 'The body'}: {detail}.", path)
