"""Reads JSON as its standard has it (RFC 8259): no NaN, and no name twice in one object."""

import json
import re
from collections import Counter
from typing import Any

_OTHER = re.compile(
    rb"(?P<UTF_32>\xff\xfe\0\0|\0\0\xfe\xff|\0\0\0[\s!-~]|[\s!-~]\0\0\0)"
    rb"|(?P<UTF_16>\xff\xfe|\xfe\xff|\0[\s!-~]\0[\s!-~]|[\s!-~]\0[\s!-~]\0)"
)
"""How a text of JSON begins in other encodings: with their byte-order mark, or NUL bytes."""


class OtherEncoding(ValueError):
    """The text is not in UTF-8; `encoding` is the name of its own."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(f"it is in {encoding}; JSON must be UTF-8")


def check_encoding(content: bytes) -> None:
    """Checks that a text does not begin as in UTF-16 or UTF-32, as some Windows programs write it.

    Raises:
        OtherEncoding: it does.
    """
    if found := _OTHER.match(content):
        raise OtherEncoding(str(found.lastgroup).replace("_", "-"))


def parse(content: bytes) -> Any:
    """The value of a JSON text in UTF-8, which may begin with a byte-order mark.

    Raises:
        OtherEncoding: it is UTF-16 or UTF-32. (A ValueError, too.)
        UnicodeDecodeError: it is not UTF-8. (A ValueError, too.)
        ValueError: it is not JSON, or has a number of thousands of digits.
        RecursionError: it is nested too deeply.
    """
    check_encoding(content)
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
