"""Labels of a worker, such as `gpu=a100,zone=b`: what a job may require of it.

The characters are those of Kubernetes' labels, so that both sides can be written in a variable.
"""

import re
from collections.abc import Mapping

KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
MOST = 16
"""Most labels of a worker."""
RULE = "at most 63 letters, digits, `.`, `-` and `_`, with a letter or digit at both ends"
"""What a key and a value may be, in words; a key may contain `/`, too."""


def is_key(text: str) -> bool:
    """Whether this may be a label's key."""
    return KEY.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """Whether this may be a label's value; it may be empty."""
    return VALUE.fullmatch(text) is not None


def parsed(text: str) -> dict[str, str]:
    """The labels in `key=value,key=value`; blanks around a pair do not matter.

    Raises:
        ValueError: a part is no such pair, a key comes twice, or there are too many.
    """
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        key, separator, value = part.partition("=")
        if not separator or not is_key(key) or not is_value(value):
            raise ValueError(f"{part!r} is no label: write key=value, each {RULE}")
        if key in found:
            raise ValueError(f"the label {key} comes twice")
        found[key] = value
    if len(found) > MOST:
        raise ValueError(f"{len(found)} labels, and a worker has at most {MOST}")
    return found


def text(labels: Mapping[str, str]) -> str:
    """Labels as `parsed` reads them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
