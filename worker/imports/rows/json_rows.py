"""Rows of JSON, in the order of the file: an object a line, or one array of objects.

An array is read in pieces, as lines are: no more than one row and a piece are in memory.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from worker.imports.examples import LeftOut
from worker.imports.refusals import Refusal

BLOCK = 2**20
"""Characters that are read at once."""
LONGEST_ROW = 2**24
"""Most characters of a row of an array. Where a row has no end, no more than this is read."""
ADVICE = (
    "Write an object of single values for each row, a line each: in pandas, to_json(path, "
    'orient="records", lines=True).'
)
ARRAY = re.compile(rb"\[\s*[\[{\]]")
END = ""
SPACE = re.compile(r"[ \t\r\n]*")

Place = str
"""Where a row is: `line 3` of JSON lines, `row 3` of an array."""


def is_array(beginning: bytes) -> bool:
    """Whether a file that begins so, behind white space, is an array of objects or of arrays."""
    return ARRAY.match(beginning) is not None


def of_lines(path: Path) -> Iterator[tuple[Place, dict[str, Any] | LeftOut]]:
    """The object of each line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            place = f"line {number}"
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                yield place, LeftOut(place, f"it is no JSON: {_reason(error)}")
                continue
            yield place, _object(row, place)


def of_array(path: Path) -> Iterator[tuple[Place, dict[str, Any] | LeftOut]]:
    """The objects of an array.

    Raises:
        Refusal: it is damaged; what comes behind the damage cannot be told from it.
    """
    number = 0  # rows that have been read
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(file)
        try:
            text.take("[")
            while text.begins() != "]":
                if number:
                    text.take(",")
                value = text.value()
                number += 1
                place = f"row {number}"
                yield place, _object(value, place)
            text.take("]")
            text.take(END)
        except (ValueError, RecursionError) as error:
            where = f"behind row {number}" if number else "from its first row on"
            raise Refusal(
                "damaged_file",
                f"The JSON array cannot be read {where}: {_reason(error)}.",
                ADVICE,
            ) from error


def without_columns(nested: list[str], wrong: list[LeftOut]) -> Refusal:
    """Why no row has a column of single values: all are `nested`, all rows are `wrong`, or there is
    none."""
    if nested:
        named = ", ".join(map(repr, nested[:5]))
        return Refusal("no_columns", f"Every column holds lists or objects: {named}.", ADVICE)
    if wrong:
        first = f"The first, {wrong[0].name}: {wrong[0].reason}."
        return Refusal("unreadable", f"No row of the JSON can be read. {first}", ADVICE)
    return Refusal("no_rows", "The JSON has no rows.", ADVICE)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):  # whose own words are about Python
        return "it is nested too deeply"
    return str(getattr(error, "msg", None) or error)[:120]


def _object(row: object, place: Place) -> dict[str, Any] | LeftOut:
    return row if isinstance(row, dict) else LeftOut(place, "it is no JSON object")


def _named(mark: str) -> str:
    return repr(mark) if mark else "the end"


class _Text:
    """A file of JSON that is read in pieces, so that it may be larger than the memory."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._piece = ""
        self._at = 0
        self._decoder = json.JSONDecoder()

    def begins(self) -> str:
        """The next character that is no white space, or END."""
        while True:
            space = SPACE.match(self._piece, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._piece):
                return self._piece[self._at]
            if not self._read():
                return END

    def take(self, mark: str) -> None:
        """Goes on behind a mark.

        Raises:
            ValueError: another character is there.
        """
        found = self.begins()
        if found != mark:
            raise ValueError(f"{_named(found)} is where {_named(mark)} is expected")
        self._at += 1

    def value(self) -> Any:
        """The next value.

        Raises:
            ValueError: it is no JSON, has no end, or is too long.
            RecursionError: it is nested too deeply.
        """
        self.begins()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._piece, self._at)
            except ValueError:
                if len(self._piece) - self._at > LONGEST_ROW or not self._read():
                    raise
                continue
            if end < len(self._piece):
                self._at = end
                return value
            if not self._read():  # a number at the end of the piece may go on
                self._at = len(self._piece)
                return value

    def _read(self) -> bool:
        """Reads on, as much as there is already, so that a long row is tried few times."""
        rest = self._piece[self._at :]
        more = self._file.read(max(BLOCK, len(rest)))
        self._piece, self._at = rest + more, 0
        return bool(more)
