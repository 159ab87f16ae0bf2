"""What a reference to a dataset means: an id, `name@version`, or a name."""

from typing import Any

from sqlalchemy import ColumnElement

PREFIX = "ds_"
"""Begins every id, and no name."""


def parted(ref: str) -> tuple[str, int | None]:
    """The name and the version of a reference that is no id; None where it states no version.

    What is no number of a version becomes 0, which no version has.
    """
    name, at, version = ref.rpartition("@")
    if not at:
        return ref, None
    return name, int(version) if version.isdecimal() and len(version) < 10 else 0


def trained_on(spec: Any, ref: str) -> ColumnElement[bool]:
    """Whether the specification in a JSON column names this dataset.

    A name means all its versions, those that were deleted since included.
    """
    dataset = spec["dataset"]
    if ref.startswith(PREFIX):
        return _is(dataset["facts"]["id"].as_string(), ref)
    name, version = parted(ref)
    of_name = _is(dataset["name"].as_string(), name)
    if version is None:
        return of_name
    return of_name & _is(dataset["facts"]["version"].as_integer(), version)


def _is(value: ColumnElement[Any], wanted: str | int) -> ColumnElement[bool]:
    return value == wanted
