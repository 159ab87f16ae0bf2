"""Found examples as a dataset: its parts, what is there twice, and its classes."""

from collections.abc import Callable
from typing import NamedTuple

from app.jobspec.import_options import ImportOptions
from worker.imports import duplicates, parts
from worker.imports.duplicates import Twin
from worker.imports.parts import Divided
from worker.imports.preparing import Found
from worker.imports.words import Words


class Division(NamedTuple):
    """The parts of a dataset, and what was found while it was divided."""

    parts: Divided
    classes: list[str]
    twins: list[Twin]
    """Training examples that another part has, too."""
    within_training: int
    """Training examples that repeat an earlier one."""
    dropped: int
    """How many of both were left out."""
    contradictions: int
    """Examples that equal one of another class."""
    torn_groups: list[str]
    """Groups that the file's own parts divide."""


def divide(
    found: list[Found],
    options: ImportOptions,
    words: Words,
    twins_across: Callable[[Divided], list[Twin]],
) -> Division:
    """Divides examples as the options say it.

    Raises:
        Refusal: nothing can be learned from them.
    """
    parts.check(found, words)
    divided = parts.divided(found, options.parts)
    parts.check_parts(divided, words)
    twins = twins_across(divided)
    again = duplicates.within(divided["train"])
    contradictions = duplicates.contradictions(divided)
    dropped = 0
    if options.deduplicate:
        doubles = {each.training.row for each in twins} | {each.row for each in again}
        kept = [each for each in divided["train"] if each.row not in doubles]
        divided, dropped = divided | {"train": kept}, len(doubles)
        parts.check_parts(divided, words)
    return Division(
        divided,
        parts.class_names(each for some in divided.values() for each in some),
        twins,
        len(again),
        dropped,
        contradictions,
        parts.split_groups(divided),
    )


def facts(division: Division, options: ImportOptions) -> dict[str, int]:
    """What specs know of the division, as `DatasetFacts` has it."""
    return {
        "classes": len(division.classes),
        "train_images": len(division.parts["train"]),
        "test_images": len(division.parts["test"]),
        "validation_images": len(division.parts["validation"]),
        "duplicates": 0 if options.deduplicate else len(division.twins),
    }
