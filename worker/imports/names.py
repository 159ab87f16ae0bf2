"""Names that come from a file, made fit to be shown, stored and compared."""

from app.rows.delimited import clean
from worker.imports.refusals import Refusal

MAX_CLASS_NAME = 200
"""Most characters of a class's name; a longer text is no name of a class."""
MAX_SHOWN = 300
"""Most characters of a file's name in a report."""


def shown(name: str) -> str:
    """A file's name as a report has it."""
    sound = clean(name)
    return sound if len(sound) <= MAX_SHOWN else f"{sound[: MAX_SHOWN - 1]}…"


def class_name(label: str) -> str:
    """The name of a class.

    Raises:
        Refusal: it is too long to be one.
    """
    sound = clean(label)
    if len(sound) > MAX_CLASS_NAME:
        raise Refusal(
            "wrong_label",
            f"A label has {len(sound)} characters; {MAX_CLASS_NAME} are the most.",
            "Name the column of the classes in `label`, or shorten the names of the folders.",
        )
    return sound
