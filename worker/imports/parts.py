"""Which examples train, validate and test.

Given parts count. Where the file gives no test part, one is taken here, once, and belongs to the
version. Which examples it gets follows from their pixels or values and the seed alone, so that the
same examples are divided equally in whatever file they come.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from hashlib import sha256

from app.jobspec.import_options import PartOptions
from worker.imports.examples import PARTS, LeftOut
from worker.imports.preparing import Found
from worker.imports.refusals import Refusal
from worker.imports.words import Words

MIN_EXAMPLES, MIN_CLASSES, MAX_CLASSES = 10, 2, 1000
MAX_DAMAGED = 0.5
"""Largest fraction of the examples that may be unreadable."""
NUMBER = re.compile(r"-?[0-9]{1,18}")

Divided = dict[str, list[Found]]
"""The examples of each of PARTS, in the order of classes and digests."""


def class_names(found: Iterable[Found]) -> list[str]:
    """The classes in order: by number where all are whole numbers, else by name."""
    names = {each.label for each in found}
    if all(NUMBER.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def check_readable(read: int, damaged: int, first: LeftOut | None, words: Words) -> None:
    """Refuses a file if more than half of its entries are damaged; `first` is the first of these.

    Raises:
        Refusal: there is nothing in it, or too much that cannot be read.
    """
    if not read and not damaged:
        raise Refusal(*words.nothing)
    entries = read + damaged
    if first is not None and damaged > MAX_DAMAGED * entries:
        raise Refusal(
            "unreadable",
            f"{damaged} of {entries} {words.entries} cannot be read, {damaged / entries:.0%} where "
            f"{MAX_DAMAGED:.0%} are the most; the first, {first.name}: {first.reason}.",
            words.readable,
        )


def check(found: list[Found], words: Words) -> None:
    """Refuses what no network can learn from.

    Raises:
        Refusal: too few examples or classes, or too many classes.
    """
    if len(found) < MIN_EXAMPLES:
        raise Refusal(
            "too_few_examples",
            f"There are {len(found)} {words.examples}; {MIN_EXAMPLES} are the least.",
            "Bring more: some fifty of each class are a start.",
        )
    classes = len({each.label for each in found})
    if classes < MIN_CLASSES:
        raise Refusal(
            "too_few_classes",
            f"All {words.examples} are of one class, {found[0].label!r}; {MIN_CLASSES} are the "
            "least.",
            words.labelled,
        )
    if classes == len(found):
        raise Refusal(
            "too_many_classes",
            f"Each of the {classes} {words.examples} has a class of its own, such as "
            f"{found[0].label!r}.",
            f"Is the label the right column? {words.labelled}",
        )
    if classes > MAX_CLASSES:
        raise Refusal(
            "too_many_classes",
            f"There are {classes} classes; {MAX_CLASSES} are the most.",
            f"Is the label the right column? {words.labelled}",
        )


def divided(found: list[Found], options: PartOptions) -> Divided:
    """The examples of each part.

    Raises:
        Refusal: a part that is needed has no examples.
    """
    order = {name: number for number, name in enumerate(class_names(found))}
    ordered = sorted(found, key=lambda each: (order[each.label], each.digest, each.group or ""))
    test = {each.row for each in ordered if each.part == "test"}
    if not test:
        test = _taken([each for each in ordered if each.part != "validation"], options)
    parts: Divided = {part: [] for part in PARTS}
    for each in ordered:
        parts["test" if each.row in test else each.part or "train"].append(each)
    return parts


def check_parts(parts: Divided, words: Words) -> None:
    """Refuses parts that do not serve training and testing.

    Raises:
        Refusal: the training or the test part is empty, or a class has no training examples.
    """
    for part in ("train", "test"):
        if not parts[part]:
            raise Refusal(
                "empty_part",
                f"The part {part!r} has no {words.examples}.",
                "Bring some, or give no parts: a test part is then taken from all. Where groups "
                "stay together, there must be two of them.",
            )
    trained = {each.label for each in parts["train"]}
    untrained = class_names(
        each for some in parts.values() for each in some if each.label not in trained
    )
    if untrained:
        raise Refusal(
            "untrained_class",
            f"No training {words.examples} are of the class {untrained[0]!r}, which is tested or "
            "validated.",
            f"Bring training {words.examples} of each class, or remove the class.",
        )


def _taken(ordered: list[Found], options: PartOptions) -> set[int]:
    """Rows of a test part: of each class the fraction that is asked for, at least one example.

    What belongs together is taken together: a group or, without groups, equal examples of a class.
    These units come in an order that follows from the seed and the digests. One is taken if the
    counts of the classes get nearer to what is wanted: so no class is taken as a whole.
    """
    counts = Counter(each.label for each in ordered)
    missing = {
        label: max(1, round(options.test_fraction * count)) if count > 1 else 0
        for label, count in counts.items()
    }
    units: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for each in ordered:
        grouped = options.group is not None and each.group is not None
        key = ("", each.group or "") if grouped else (each.label, each.digest.hex())
        units[key].append(each)
    drawn = sorted(units, key=lambda key: _drawn(options.seed, *key))
    rows: set[int] = set()
    for unit in (units[key] for key in drawn):
        if _gain(unit, missing) > 0:
            rows |= {each.row for each in unit}
            for each in unit:
                missing[each.label] -= 1
    if not rows and len(units) > 1:  # a few large groups
        nearest = max((units[key] for key in drawn), key=lambda unit: _gain(unit, missing))
        rows = {each.row for each in nearest}
    return rows


def _gain(unit: list[Found], missing: dict[str, int]) -> int:
    """By how much the counts of the classes get nearer to what is wanted, if a unit is taken."""
    counts = Counter(each.label for each in unit)
    return sum(abs(missing[label]) - abs(missing[label] - count) for label, count in counts.items())


def _drawn(seed: int, *key: str) -> bytes:
    """What looks random, and follows from the seed and the key."""
    return sha256(f"{seed}:{key}".encode(errors="surrogatepass")).digest()


def split_groups(parts: Divided) -> list[str]:
    """Groups that the file's own parts tear apart."""
    of_part = [{each.group for each in some if each.group} for some in parts.values()]
    seen: set[str] = set()
    torn: set[str] = set()
    for groups in of_part:
        torn |= seen & groups
        seen |= groups
    return sorted(torn)
