"""A check of `traind doctor`, and how it has ended."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check has ended."""

    OK = "ok"
    WARN = "warn"
    """It works, but not for long or not for everything."""
    FAIL = "fail"
    """Something does not work."""


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do where it is not well."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""
