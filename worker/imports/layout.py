"""Which class and which part a file of an archive belongs to, by its folders."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from worker.imports.examples import PART_NAMES

Place = tuple[str, str | None]
"""Class and part."""


def parts_of(name: str) -> tuple[str, ...]:
    """The folders and the name of a file, whatever system packed it."""
    return PurePosixPath(name.replace("\\", "/")).parts


def common_folders(names: Iterable[str]) -> int:
    """How many folders lie around everything, and mean nothing.

    The last two levels, a class and its files, are never counted, nor is a folder called as a part.
    """
    paths = [parts_of(name) for name in names]
    count = 0
    while (
        paths
        and all(len(path) > count + 2 for path in paths)
        and len({path[count] for path in paths}) == 1
        and paths[0][count].lower() not in PART_NAMES
    ):
        count += 1
    return count


def places(names: Iterable[str]) -> dict[str, Place]:
    """Class and part of each file that lies in a folder; the others are left out.

    Folders of classes may lie in folders of parts, `train/cat/1.png`. These are folders of parts
    only if all are called so and hold folders: a class may be called `train`, too. What lies deeper
    belongs to the class above.
    """
    names = list(names)
    skip = common_folders(name for name in names if len(parts_of(name)) > 1)
    inside = {name: parts_of(name)[skip:] for name in names}
    inside = {name: path for name, path in inside.items() if len(path) > 1}
    by_part = inside and all(
        path[0].lower() in PART_NAMES and len(path) > 2 for path in inside.values()
    )
    if by_part:
        return {name: (path[1], PART_NAMES[path[0].lower()]) for name, path in inside.items()}
    return {name: (path[0], None) for name, path in inside.items()}
