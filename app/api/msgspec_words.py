"""From msgspec's errors to what is wrong, at which field, and what it must be."""

import re
from collections.abc import Mapping
from itertools import islice

import msgspec

from app import json_text
from app.api.plain_words import pointer
from app.api.problem_kinds import InvalidBody

PLACE = re.compile(r" - at `\$(.*)`$")
FIELD = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)

SURROGATE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in a JSON text: a pair of surrogates, one alone, or another."""
MOST_ESCAPES = 100_000
"""Escapes that are looked at: they take the event loop some 10 ms."""


def reason(text: bytes, error: Exception) -> str:
    """Why a text is not read as JSON. msgspec says of a lone surrogate that the text is cut off."""
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    try:
        json_text.check_encoding(text)
    except json_text.OtherEncoding as other:
        return str(other)
    if isinstance(error, msgspec.DecodeError):
        for escape in islice(SURROGATE.finditer(text), MOST_ESCAPES):
            if lone := escape["lone"]:
                half = f"\\{lone.decode()} (byte {escape.start()}) is half of a pair"
                return f"it must be valid Unicode, without lone surrogates: {half}"
    return str(error)


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
