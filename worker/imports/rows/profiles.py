"""What the values of a column are: how many are numbers, dates or truth."""

import re
from typing import NamedTuple

from app.rows.columns import MOST, NUMBER, InvalidValue, as_day
from worker.imports.rows.files import Table

ENOUGH = 0.95
"""A column holds numbers, or dates, if at least this fraction of its values are some."""
INFINITE = re.compile(r"[+-]?inf(inity)?")
"""How programs write a number that is none, in small letters."""
DATE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.+Z-]+)?$")
"""What looks like a date, and may be none: 2024-02-30."""
TEXTS = 10_000
"""Different texts that are judged at once."""


class Profile(NamedTuple):
    """What the values of a column are; missing ones are not counted."""

    values: int
    distinct: int
    truths: int
    numbers: int
    """Those that float32 holds."""
    written: int
    """With those that it does not: infinite ones, and too large ones."""
    whole: int
    date_like: int
    """Those that look like dates; some may be none."""
    low: float | None
    high: float | None
    dates: int = 0
    """Real ones. They are counted only in a column that may hold dates."""

    @property
    def looks_like_dates(self) -> bool:
        """Whether nearly all values do."""
        return self.date_like >= ENOUGH * self.values


def profile_of(table: Table, at: int) -> Profile:
    """What a column holds; its dates are not counted."""
    column = f"c{at}"
    question = f"""
        SELECT count({column}), count(DISTINCT {column}),
            count(*) FILTER (lower({column}) IN ('true', 'false')),
            count(value), count(*) FILTER (
                value IS NOT NULL OR regexp_full_match({column}, '{NUMBER.pattern}')
                OR regexp_full_match(lower({column}), '{INFINITE.pattern}')),
            count(*) FILTER (value = round(value)),
            count(*) FILTER (regexp_matches({column}, '{DATE.pattern}')),
            min(value), max(value)
        FROM (SELECT {column}, {number(column)} AS value FROM cleaned)"""
    found = table.connection.execute(question).fetchone()
    if found is None:
        raise ValueError("a question that always has an answer had none")
    return Profile(*found)


def dates_of(table: Table, at: int) -> int:
    """How many values of a column are dates.

    Python decides, so that a prediction takes the same ones. A million different texts take 1 to
    3 s.
    """
    column = f"c{at}"
    found = table.connection.execute(
        f"SELECT {column}, count(*) FROM cleaned WHERE {column} IS NOT NULL GROUP BY {column}"
    )
    dates = 0
    while some := found.fetchmany(TEXTS):
        dates += sum(count for text, count in some if _is_date(text))
    return dates


def _is_date(text: str) -> bool:
    try:
        as_day(text)
    except InvalidValue:
        return False
    return True


def number(column: str) -> str:
    """SQL for the number that a text says, as `app.rows.columns.as_number` has it; else NULL."""
    value = (
        f"CASE lower({column}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 "
        f"ELSE CASE WHEN regexp_full_match({column}, '{NUMBER.pattern}') "
        f"THEN TRY_CAST({column} AS DOUBLE) END END"
    )
    return f"CASE WHEN abs({value}) <= {MOST!r} THEN {value} END"
