"""Which columns of a table a network sees, and as what.

A column is what nearly all of its values are: truth values, numbers, dates, or else categories. A
column is left out if it says nothing about other rows: it has one value only, numbers the rows, or
has another text in nearly every row. What `table.columns` declares comes first.
"""

import re
from typing import NamedTuple

from app.jobspec.import_options import ImportOptions
from app.option_words import TARGET
from app.rows.columns import MISSING, WHOLE, Kind
from worker.imports.refusals import Refusal
from worker.imports.rows.files import Table
from worker.imports.rows.profiles import ENOUGH, Profile, dates_of, profile_of
from worker.imports.tables import LABEL_COLUMNS, SPLIT_COLUMN, some

TOO_MANY = 0.5
"""A column of texts is left out if more than this fraction of them are different."""
FEW_TEXTS = 20
"""A column with at most this many different texts is a category all the same."""
MAX_TARGET_NUMBERS = 100
"""A target with more different numbers than this is no class."""
TARGETS = (*LABEL_COLUMNS, "y", "outcome", "species", "diagnosis")
"""Usual names of the target; the first that is there counts."""
IDENTIFIER = re.compile(
    r"unnamed: ?0|index|row|row_?number|(.*[_ .-])?(id|uuid|guid)", re.IGNORECASE
)
"""What numbers of rows are called."""
SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""What Python's `strip` takes away, which prepares the values of a prediction."""


class Picked(NamedTuple):
    """A column that the network sees."""

    at: int
    """Its number in the file, from 0."""
    name: str
    kind: Kind
    odd: int
    """Values that are not of this kind, and count as missing."""


class Dropped(NamedTuple):
    """A column that it does not see, and why."""

    name: str
    reason: str


class Choice(NamedTuple):
    """What the columns of a table are for; each is given by its number in the file."""

    target: int
    split: int | None
    group: int | None
    picked: list[Picked]
    dropped: list[Dropped]


def choose(table: Table, options: ImportOptions) -> Choice:
    """Looks at every column. Makes the table `cleaned`, in which missing values are NULL.

    Raises:
        Refusal: the target, or another column that the options name, is not there; the target is no
            class; or no column is left.
    """
    _clean(table)
    names = table.names
    target = _target(table, options.table.target)
    split = table.column(options.parts.split, "parts.split")
    if split is None:
        split = next((at for at, name in enumerate(names) if name.lower() == SPLIT_COLUMN), None)
    group = table.column(options.parts.group, "parts.group")
    for name, declared in options.table.columns.items():
        if declared != "ignore" or name not in table.unread:
            table.column(name, "table.columns")
    profile = profile_of(table, target)
    _check_target(names[target], profile)
    if profile.truths == profile.values:
        _lower(table, target)
    picked: list[Picked] = []
    dropped = [Dropped(name, f"its values are {what}") for name, what in table.unread.items()]
    for at, name in enumerate(names):
        if at in (target, split, group):
            continue
        found = _kind(table, at, options.table.columns.get(name))
        if isinstance(found, Dropped):
            dropped.append(found)
        else:
            picked.append(found)
    if not picked:
        raise Refusal(
            "no_columns",
            f"No column is left beside the target {names[target]!r}"
            + "".join(f"; {each.name}: {each.reason}" for each in dropped[:5])
            + ".",
            "Declare what a column holds in table.columns, or bring more columns.",
        )
    return Choice(target, split, group, picked, dropped)


def _clean(table: Table) -> None:
    """Values without space around them and with composed letters; missing ones are NULL."""
    columns = [f"c{at}" for at in range(len(table.names))]
    # a whole number is the same category whether or not its table writes it with decimals
    plain = f"nfc_normalize(trim({{}}, '{SPACE}'))"
    texts = ", ".join(
        rf"regexp_replace({plain.format(each)}, '{WHOLE.pattern}', '\1') AS {each}"
        for each in columns
    )
    # A pattern: with a list of the words, the time grew with the square of the columns.
    missing = "|".join(re.escape(each) for each in sorted(MISSING))
    known = ", ".join(
        f"CASE WHEN NOT regexp_full_match(lower({each}), '{missing}') THEN {each} END AS {each}"
        for each in columns
    )
    table.connection.execute(
        f"CREATE TABLE cleaned AS SELECT {known} FROM (SELECT {texts} FROM texts)"
    )
    table.connection.execute("DROP TABLE texts")


def _lower(table: Table, at: int) -> None:
    """Truth is `true` or `false`, also where it was `True`."""
    table.connection.execute(f"UPDATE cleaned SET c{at} = lower(c{at})")


def _target(table: Table, wanted: str | None) -> int:
    found = table.column(wanted, "table.target")
    if found is not None:
        return found
    lower = {name.lower(): at for at, name in reversed(list(enumerate(table.names)))}
    lower |= {name: at for at, name in enumerate(table.names)}  # `label` wins over `Label`
    usual = next((lower[name] for name in TARGETS if name in lower), None)
    if usual is None:
        for name in table.unread:
            if name.lower() in TARGETS:
                raise table.no_values(name)
        raise Refusal(
            "no_target",
            "No column is called as the column of the classes usually is; the table has "
            f"{some(table.names)}.",
            f"Name the column of the classes: {TARGET}.",
        )
    return usual


def _check_target(name: str, profile: Profile) -> None:
    fractions = profile.numbers == profile.values and profile.whole < profile.numbers
    many = profile.numbers == profile.values and profile.distinct > MAX_TARGET_NUMBERS
    if profile.values and (fractions or many) and profile.distinct > 2:
        raise Refusal(
            "target_is_a_number",
            f"The target {name!r} has {profile.distinct} different numbers: it is to be estimated, "
            "and networks here tell classes apart.",
            "Make classes of it, such as below and above its median, or name another column.",
        )


def _kind(table: Table, at: int, declared: str | None) -> Picked | Dropped:
    name, profile = table.names[at], profile_of(table, at)
    if declared == "ignore":
        return Dropped(name, "it is declared to be ignored")
    if profile.distinct < 2:
        what = "no value" if not profile.values else "one value only"
        return Dropped(name, f"it has {what}")
    if declared == "date" or (declared is None and profile.looks_like_dates):
        profile = profile._replace(dates=dates_of(table, at))
    match declared:
        case "number" if not profile.numbers:
            return Dropped(name, "it is declared a number, and none of its values is one")
        case "number":
            return Picked(at, name, "number", profile.values - profile.numbers)
        case "date" if not profile.dates:
            return Dropped(name, "it is declared a date, and none of its values is one")
        case "date":
            return Picked(at, name, "date", profile.values - profile.dates)
        case "category":
            return Picked(at, name, "category", 0)
    return _undeclared(table, at, profile)


def _undeclared(table: Table, at: int, profile: Profile) -> Picked | Dropped:
    name = table.names[at]
    if profile.looks_like_dates and not profile.dates:
        return Dropped(name, "none of its dates is one")
    if reason := _says_nothing(name, profile):
        return Dropped(name, f"{reason}; declare it in table.columns to keep it")
    if profile.truths == profile.values:
        _lower(table, at)
        return Picked(at, name, "category", 0)
    if profile.written >= ENOUGH * profile.values:
        if not profile.numbers:
            return Dropped(name, "none of its numbers is one that float32 holds")
        return Picked(at, name, "number", profile.values - profile.numbers)
    if profile.dates >= ENOUGH * profile.values:
        return Picked(at, name, "date", profile.values - profile.dates)
    return Picked(at, name, "category", 0)


def _says_nothing(name: str, profile: Profile) -> str | None:
    """Why a column says nothing about other rows, if it looks like that."""
    holds_numbers = profile.written >= ENOUGH * profile.values
    differ = profile.distinct == profile.values > FEW_TEXTS
    if holds_numbers and differ and profile.whole == profile.values:
        span = (profile.high or 0.0) - (profile.low or 0.0) + 1
        if span == profile.values or IDENTIFIER.fullmatch(name):
            return "it numbers the rows"
    if holds_numbers or profile.dates >= ENOUGH * profile.values:
        return None
    if profile.distinct > max(FEW_TEXTS, TOO_MANY * profile.values):
        return f"{profile.distinct} of its {profile.values} texts are different"
    return None
