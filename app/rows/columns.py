"""The columns of a table that a network sees, and what becomes of their values.

A row is kept as one number for each column, NaN where there is none: a number itself, a date as
days since 1970, a category as its place among the column's categories. What the network sees of it
is worked out from these numbers, in the graph too, by the columns' statistics.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

Kind = Literal["number", "date", "category"]
MISSING = frozenset(
    {
        "",
        "?",
        "#n/a",
        "#na",
        "-nan",
        "<na>",
        "n/a",
        "na",
        "nan",
        "none",
        "null",
    }
)
"""Texts, in small letters, that say that a value is missing: those of pandas, and UCI's `?`."""
RARE = "(rare)"
"""The one name of all categories that are too rare to have a place of their own."""
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""A number as both Python and SQL write it."""
WHOLE = re.compile(r"^(-?[0-9]+)\.0+$")
"""A whole number that is written with decimals."""
TRUTH = frozenset({"false", "true"})
MOST = 3.4028234663852886e38
"""Largest number that float32 holds."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_SECONDS = 86_400.0


class InvalidValue(ValueError):
    """A value that its column cannot take; says why."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the network sees, with the statistics of its training rows."""

    name: str
    kind: Kind
    mean: float = 0.0
    """Of a number's or a date's values."""
    std: float = 1.0
    """Their standard deviation; 1 where they are all the same."""
    low: float = 0.0
    """The least of them."""
    high: float = 1.0
    """The greatest of them."""
    has_missing: bool = False
    """Whether training rows lack the value: only then the network sees whether it is missing."""
    categories: tuple[str, ...] = ()
    """A category's values in order."""
    has_rare: bool = False
    """Whether training rows have rarer categories, which count as one."""

    @property
    def width(self) -> int:
        """How many numbers the network sees of it."""
        return (len(self.categories) + self.has_rare if self.is_category else 1) + self.has_missing

    @property
    def is_category(self) -> bool:
        """Whether its values are categories, which have no order."""
        return self.kind == "category"

    def code(self, value: object) -> tuple[float, str | None]:
        """The number that is kept of a value, and what is doubtful about it, if anything.

        A category's code is its place; behind the categories come rare ones, then missing values.
        What the column has no place for, -1, is seen as no category at all.

        Raises:
            InvalidValue: it is nothing that the column can take.
        """
        text = as_text(value)
        if text is not None and self.is_category and TRUTH.issuperset(self.categories):
            text = text.lower()
        if not self.is_category:
            if text is None:
                return math.nan, None
            return (as_day(text) if self.kind == "date" else as_number(text)), None
        places = len(self.categories)
        if text is None:
            return (places + self.has_rare if self.has_missing else -1), None
        if text in self.categories:
            return self.categories.index(text), None
        known = ", ".join(map(repr, self.categories[:10])) + (", …" if places > 10 else "")
        told = f"{text[:80]!r} is no category that was trained on; these are {known}"
        return (places if self.has_rare else -1), told

    def text(self, number: float) -> str | None:
        """What a kept number stands for, for people; None where the value is missing."""
        if not self.is_category:
            if math.isnan(number):
                return None
            return day_text(number) if self.kind == "date" else f"{number:.7g}"
        place = int(number)
        if 0 <= place < len(self.categories):
            return self.categories[place]
        return RARE if self.has_rare and place == len(self.categories) else None

    def to_json(self) -> dict[str, Any]:
        """The column as dataset.json and a model's signature keep it."""
        return asdict(self) | {"categories": list(self.categories)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """A column as it was kept."""
        return cls(**{**stored, "categories": tuple(stored["categories"])})


def width(columns: Sequence[Column]) -> int:
    """How many numbers the network sees of a row."""
    return sum(column.width for column in columns)


def as_text(value: object) -> str | None:
    """A value as a table of texts has it; None where it is missing.

    Without space around it and with composed letters; whole numbers have no decimals, and truth is
    `true` or `false`: so a column has the same categories in CSV, Parquet and JSON.

    Raises:
        InvalidValue: it is a list or an object.
    """
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            if math.isnan(value):
                return None
            is_whole = value.is_integer() and abs(value) < 1e15
            return str(int(value)) if is_whole else WHOLE.sub(r"\1", repr(value))
        case str():
            text = unicodedata.normalize("NFC", value).strip()
            return None if text.lower() in MISSING else WHOLE.sub(r"\1", text)
    raise InvalidValue("is no text, number or truth value")


def as_number(text: str) -> float:
    """The number that a text says.

    Raises:
        InvalidValue: it says none, or one too large for the network.
    """
    lower = text.lower()
    if lower in TRUTH:
        return float(lower == "true")
    if not NUMBER.fullmatch(text):
        raise InvalidValue(f"{text[:80]!r} is no number")
    number = float(text)
    if abs(number) > MOST:
        raise InvalidValue(f"{text[:80]!r} is too large a number")
    return number


def as_day(text: str) -> float:
    """A date or a time in ISO 8601 as days since 1970, in UTC unless it says another zone.

    Raises:
        InvalidValue: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValue(f"{text[:80]!r} is no date such as 2026-11-26") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH).total_seconds() / DAY_SECONDS


def day_text(day: float) -> str:
    """A date for people, to the minute where it has a time."""
    moment = datetime.fromtimestamp(day * DAY_SECONDS, UTC)
    at_midnight = moment.time() == datetime.min.time()
    return moment.date().isoformat() if at_midnight else moment.isoformat(" ", "minutes")[:16]
