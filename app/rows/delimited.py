"""CSV as people have it: its encoding, its delimiter, and the names of its columns.

An import and a prediction read a file by the same rules.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence

DELIMITERS = (",", ";", "\t", "|")
REPLACEMENT = "\ufffd"
"""Stands where a name has a character that cannot be shown."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""No UTF-8 has these: half a character, or a byte that is no UTF-8, as Python keeps it."""
LONGEST_NAME = 200
"""Most characters of a column's name."""


def decoded(content: bytes) -> str:
    """The text. Excel writes UTF-16 with a byte-order mark, UTF-8 with one, or Windows' own.

    What an encoding does not have, such as five bytes of Windows' own, is written out, `\\x81`:
    values that differ in it alone stay different.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="backslashreplace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="backslashreplace")


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
    sound = "".join(map(_shown, sendable(name.strip())))
    return unicodedata.normalize("NFC", sound).strip()


def sendable(text: str) -> str:
    """A text with its lone surrogates written out: a byte as `\\xe9`, half a letter as `\\ud83d`.

    Texts that differ stay different, unless one of them has such a code already.
    """
    return SURROGATE.sub(_code, text)


def _code(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def _shown(character: str) -> str:
    return REPLACEMENT if unicodedata.category(character) == "Cc" else character


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
