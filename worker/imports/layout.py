"""Which class and which part a file of an archive belongs to, by its folders."""

from collections.abc import Iterable
from typing import NamedTuple

from worker.imports.examples import PART_NAMES


class Place(NamedTuple):
    """What the folders of a file say."""

    label: str
    """Name of the class."""
    part: str | None


def parts_of(name: str) -> tuple[str, ...]:
    """The folders and the name of a file."""
    return tuple(name.split("/"))


def common_folders(paths: Iterable[tuple[str, ...]]) -> int:
    """How many folders lie around everything, and mean nothing.

    Files beside such a folder, a readme for example, are passed over. A folder that is called as a
    part always means something, and so does the last one above the files.
    """
    deep = [path for path in paths if len(path) > 1]
    count = 0
    while deep:
        tops = {path[count] for path in deep}
        inside = [path for path in deep if len(path) > count + 2]
        if len(tops) > 1 or not inside or tops.pop().lower() in PART_NAMES:
            break
        deep, count = inside, count + 1
    return count


def places(names: Iterable[str]) -> dict[str, Place]:
    """Class and part of each file that lies in the folder of a class.

    Folders of classes may lie in folders of parts, `train/cat/1.png`. The outer folders are parts
    only if all are called so and some hold folders: a class may be called `train`, too. What lies
    deeper belongs to the class above it.
    """
    paths = {name: parts_of(name) for name in names}
    skipped = common_folders(paths.values())
    around = next((path[:skipped] for path in paths.values() if len(path) > skipped + 1), ())
    inside = {
        name: path[skipped:]
        for name, path in paths.items()
        if len(path) > skipped + 1 and path[:skipped] == around
    }
    if _are_parts(inside.values()):
        return {
            name: Place(path[1], PART_NAMES[path[0].lower()])
            for name, path in inside.items()
            if len(path) > 2
        }
    return {name: Place(path[0], None) for name, path in inside.items()}


def part_of(name: str) -> str | None:
    """The part that one of a file's folders names; the innermost counts."""
    for folder in reversed(parts_of(name)[:-1]):
        if folder.lower() in PART_NAMES:
            return PART_NAMES[folder.lower()]
    return None


def _are_parts(paths: Iterable[tuple[str, ...]]) -> bool:
    paths = list(paths)
    named = all(path[0].lower() in PART_NAMES for path in paths)
    return named and any(len(path) > 2 for path in paths)
