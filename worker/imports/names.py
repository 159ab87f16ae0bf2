"""Names that come from a file, made fit to be shown, stored and compared."""

import re
from collections.abc import Iterable
from unicodedata import normalize

from app.rows.delimited import REPLACEMENT, clean
from worker.imports.refusals import Refusal

MAX_CLASS_NAME = 200
"""Most characters of a class's name; a longer text is no name of a class."""
MAX_SHOWN = 300
"""Most characters of a file's name in a report."""
CODE = re.compile(r"\\x[0-9a-f]{2}|\\ud[89a-f][0-9a-f]{2}")
"""What stands in a name for a byte that is no text, or for half a character."""


def shown(name: str) -> str:
    """A file's name as a report has it."""
    sound = clean(name)
    return sound if len(sound) <= MAX_SHOWN else f"{sound[: MAX_SHOWN - 1]}…"


class ClassNames:
    """The names of the classes of one file."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        """What the file calls the classes in whose names something may have been replaced."""

    def of(self, label: str) -> str:
        """The name of the class that a file calls so.

        Raises:
            Refusal: it is too long to be one, or becomes the name of another class of the file.
        """
        sound = clean(label)
        if len(sound) > MAX_CLASS_NAME:
            raise Refusal(
                "wrong_label",
                f"A label has {len(sound)} characters; {MAX_CLASS_NAME} are the most.",
                "Name the column of the classes in `label`, or shorten the names of the folders.",
            )
        if REPLACEMENT in sound or CODE.search(sound):
            written = normalize("NFC", label).strip()
            other = self._labels.setdefault(sound, written)
            if other != written:
                raise Refusal(
                    "wrong_label",
                    f"The labels {other!r} and {written!r} differ in what cannot be shown alone: "
                    f"both would be the class {sound!r}.",
                    "Give one of them another name.",
                )
        return sound


def with_codes(names: Iterable[str]) -> list[str]:
    """The names in which something that is no text is written as a code."""
    return [name for name in names if CODE.search(name)]
