"""Which examples train, validate and test.

Given parts count. Where the file gives no test part, one is taken here, once, and belongs to the
version. Which examples it gets follows from their pixels and the seed alone, so that the same
pictures are divided equally in whatever file they come.
"""

from collections import Counter, defaultdict
from hashlib import sha256

from app.jobspec.import_options import PartOptions
from worker.imports.pictures import Found
from worker.imports.refusals import Refusal

MIN_EXAMPLES, MIN_CLASSES, MAX_CLASSES = 10, 2, 1000
MAX_LEFT_OUT = 0.5
"""Largest fraction of the entries that may be unreadable."""


def class_names(found: list[Found]) -> list[str]:
    """The classes in order: by number where all are whole numbers, else by name."""
    names = {each.label for each in found}
    if all(name.removeprefix("-").isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def check(found: list[Found], left_out: int) -> None:
    """Refuses what no network can learn from.

    Raises:
        Refusal: too few examples or classes, too many classes, or too much that cannot be read.
    """
    classes = len({each.label for each in found})
    entries = len(found) + left_out
    if left_out > MAX_LEFT_OUT * entries:
        raise Refusal(
            "unreadable",
            f"{left_out} of {entries} files cannot be used.",
            "Most files must be PNG, JPEG, WebP, GIF, BMP or TIFF, in a folder for each class.",
        )
    if len(found) < MIN_EXAMPLES:
        raise Refusal(
            "too_few_examples",
            f"There are {len(found)} pictures; {MIN_EXAMPLES} are the least.",
            "Bring more: some fifty of each class are a start.",
        )
    if classes < MIN_CLASSES:
        raise Refusal(
            "too_few_classes",
            f"All pictures are of one class, {found[0].label!r}.",
            "Put the pictures of each class into a folder of their own.",
        )
    if classes > MAX_CLASSES:
        raise Refusal(
            "too_many_classes",
            f"There are {classes} classes; {MAX_CLASSES} are the most.",
            "Is the label the right column, and are the folders classes?",
        )


def divided(found: list[Found], options: PartOptions) -> dict[str, list[Found]]:
    """The examples of each part, each in the order of classes and pixels.

    Raises:
        Refusal: a part that is needed has no examples.
    """
    order = {name: number for number, name in enumerate(class_names(found))}
    ordered = sorted(found, key=lambda each: (order[each.label], each.digest))
    given = {each.part for each in found}
    if given == {None} or "test" not in given:
        test = _grouped(ordered, options) if options.group else _stratified(ordered, options)
    else:
        test = {each.row for each in ordered if each.part == "test"}
    parts: dict[str, list[Found]] = {"train": [], "validation": [], "test": []}
    for each in ordered:
        part = "test" if each.row in test else each.part or "train"
        parts[part].append(each)
    for part in ("train", "test"):
        if not parts[part]:
            raise Refusal(
                "empty_part",
                f"The part {part!r} has no pictures.",
                "Bring some, or give no parts: a test part is then taken from all.",
            )
    return parts


def _stratified(ordered: list[Found], options: PartOptions) -> set[int]:
    """Rows of the test part: the same fraction of each class, at least one of two."""
    of_class = defaultdict(list)
    for each in ordered:
        if each.part in (None, "train"):
            of_class[each.label].append(each)
    rows: set[int] = set()
    for members in of_class.values():
        count = round(options.test_fraction * len(members))
        count = min(max(count, 1), len(members) - 1)
        members.sort(key=lambda each: (_drawn(options.seed, each.digest), each.digest))
        rows |= {each.row for each in members[:count]}
    return rows


def _grouped(ordered: list[Found], options: PartOptions) -> set[int]:
    """Rows of the test part: whole groups, in seeded order, until the fraction is reached."""
    sizes = Counter(each.group or "" for each in ordered if each.part in (None, "train"))
    wanted = max(1, round(options.test_fraction * sizes.total()))
    chosen: set[str] = set()
    count = 0
    for group in sorted(sizes, key=lambda group: _drawn(options.seed, group)):
        if count < wanted and len(chosen) < len(sizes) - 1:
            chosen.add(group)
            count += sizes[group]
    return {
        each.row
        for each in ordered
        if each.part in (None, "train") and (each.group or "") in chosen
    }


def _drawn(seed: int, key: str) -> str:
    """A number that looks random, and follows from the seed and the key."""
    return sha256(f"{seed}:{key}".encode(errors="surrogatepass")).hexdigest()
