"""CSV as people have it: its encoding, its delimiter, and the names of its columns.

An import and a prediction read a file by the same rules.
"""

import csv
import io
import unicodedata
from collections.abc import Sequence

DELIMITERS = (",", ";", "\t", "|")
REPLACEMENT = "\ufffd"
"""Stands where a name has a character that cannot be shown."""
LONGEST_NAME = 200
"""Most characters of a column's name."""


def decoded(content: bytes) -> str:
    """The text. Excel writes UTF-16 with a byte-order mark, UTF-8 with one, or Windows' own."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def found_delimiter(text: str) -> str:
    """The delimiter that divides the first record into the most values; the first of equal ones.

    Raises:
        csv.Error: the record cannot be read.
    """
    return max(DELIMITERS, key=lambda delimiter: len(first_record(text, delimiter)))


def first_record(text: str, delimiter: str) -> list[str]:
    """The first record of CSV that is not empty; [] where there is none.

    Raises:
        csv.Error: it cannot be read.
    """
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return next(filter(None, records), [])


def clean(name: str) -> str:
    """A name without control characters and broken Unicode, in the composed form (NFC).

    macOS writes `é` as two characters and others as one; without NFC these would be two names.
    """
    return unicodedata.normalize("NFC", "".join(map(_sound, name))).strip()


def _sound(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, as Python keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return REPLACEMENT if unicodedata.category(character) in {"Cc", "Cs"} else character


def column_name(name: str) -> str:
    """The name of a column, fit to be shown; empty where nothing of it is."""
    return clean(name)[:LONGEST_NAME]


def column_names(header: Sequence[str]) -> list[str]:
    """The names of all columns. One without a name has its number, one that comes again a number
    behind it."""
    made: list[str] = []
    for number, name in enumerate(header, start=1):
        plain = column_name(name) or f"column_{number}"
        again = 2
        unique = plain
        while unique in made:
            unique, again = f"{plain}_{again}", again + 1
        made.append(unique)
    return made
