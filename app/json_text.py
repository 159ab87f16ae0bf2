"""Reads JSON as its standard has it (RFC 8259): no NaN, and no name twice in one object."""

import json
from collections import Counter
from typing import Any


def parse(content: bytes) -> Any:
    """The value of a JSON text in UTF-8, which may begin with a byte-order mark.

    Raises:
        UnicodeDecodeError: it is not UTF-8. (A ValueError, too.)
        ValueError: it is not JSON, or has a number of thousands of digits.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        str(content, "utf-8-sig"),  # `loads` itself would read UTF-16 too
        parse_constant=_refuse_constant,
        object_pairs_hook=_refuse_duplicates,
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in counts if counts[name] > 1)
        raise ValueError(f"{twice!r} appears twice in one object")
    return unique
