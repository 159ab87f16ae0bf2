"""What a person has at hand, as /predict takes it."""

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, date, timedelta
from math import prod
from pathlib import Path
from typing import Any

from traind import files, pictures
from traind.as_json import native
from traind.errors import BadInput

MOST = 256
"""Most inputs of one request."""
MOST_CHARACTERS = 4 * 2**20
"""Most characters of one request's pictures, about, unless one alone has more."""
NUMBER = 20
"""Characters of a pixel in JSON, at most."""


def parts(given: Any, input_shape: Sequence[int]) -> Iterator[list[Any]]:
    """Lists of inputs, each for one request, of a model with this input shape.

    Raises:
        BadInput: something cannot be an input.
        OSError: a file cannot be read.
    """
    part: list[Any] = []
    characters = 0
    for value in _values(given, input_shape):
        length = len(value) if isinstance(value, str) else NUMBER * prod(_sizes(value))
        if len(part) == MOST or (part and characters + length > MOST_CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(value)
        characters += length
    if part:
        yield part


def _values(given: Any, shape: Sequence[int]) -> Iterator[Any]:
    """JSON values, one for each input."""
    if isinstance(given, str | Path):
        yield from _of_file(Path(given), shape)
    elif isinstance(given, Mapping):
        yield {str(name): _plain(name, value) for name, value in given.items()}
    elif hasattr(given, "columns") and hasattr(given, "itertuples"):  # a DataFrame of pandas
        names = list(given.columns)
        if len(set(names)) < len(names):
            raise BadInput(f"Columns of a DataFrame need different names; these are {names}.")
        for row in zip(*(given[name].array for name in names), strict=True):
            yield from _values(dict(zip(names, row, strict=True)), shape)
    elif (content := pictures.content(given)) is not None:
        yield b64encode(content).decode()
    elif hasattr(given, "__array__"):
        yield from _of_array(given, shape)
    elif _is_pixels(given):
        yield from given if _sizes(given)[1:] in _shapes(shape) else [given]
    elif isinstance(given, Iterable):
        for each in given:
            yield from _values(each, shape)
    else:
        raise BadInput(
            f"A {type(given).__name__} is no input: give a path, an open file, bytes, a PIL "
            "image, an array, a row, a DataFrame, or a list of them."
        )


def _of_file(file: Path, shape: Sequence[int]) -> Iterator[Any]:
    found = files.read(file)
    if isinstance(found, files.Picture):
        yield b64encode(found.content).decode()
    elif _is_pixels(found.values):
        yield from _values(found.values, shape)
    else:
        yield from found.values


def _is_pixels(given: Any) -> bool:
    """Whether it is a list of numbers, or of lists of numbers, and so on."""
    while isinstance(given, list | tuple) and given:
        given = given[0]
    return isinstance(given, int | float)


def _sizes(given: Any) -> tuple[int, ...]:
    """The shape of a nested list, as its first elements have it."""
    sizes = []
    while isinstance(given, list | tuple) and given:
        sizes.append(len(given))
        given = given[0]
    return tuple(sizes)


def _of_array(given: Any, shape: Sequence[int]) -> Iterator[Any]:
    """One input or many, by the number of dimensions and the sizes.

    Raises:
        BadInput: the array has neither the shape of an input nor that of several, or cannot be one
            of NumPy.
    """
    import numpy as np  # noqa: PLC0415 (only for those who have arrays)

    if len(shape) == 1:
        raise BadInput(
            "A model of a table takes rows, not arrays: dictionaries by column, or a DataFrame."
        )
    if hasattr(given, "detach"):  # a tensor of PyTorch, which may know its gradient or lie on a GPU
        given = given.detach().cpu()
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise BadInput(f"A {type(given).__name__} is no array of NumPy: {error}.") from error
    single = _shapes(shape)
    if array.shape in single:
        array = array[None]
    elif array.shape[1:] not in single:
        shapes = " or ".join(str(each) for each in single)
        raise BadInput(
            f"An array of shape {array.shape} is no input: the model takes {shapes}, or several of "
            "them in an array with one dimension more."
        )
    if array.shape[1:] not in single[:-1]:  # colours come last; the API takes them first
        array = np.moveaxis(array, -1, 1)
    yield from (each.tolist() for each in array)


def _shapes(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """The shapes in which one input may come; the last has its colours last."""
    if len(shape) == 1:
        return []
    channels, height, width = shape
    shapes = [(channels, height, width), (channels * height * width,)]
    return [*shapes, *([(height, width)] if channels == 1 else []), (height, width, channels)]


def _plain(name: object, value: Any) -> Any:
    """A value of a row as JSON has it; a missing one is None.

    Raises:
        BadInput: it has no such form.
    """
    try:
        value = native(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"A {type(value).__name__} is no value of a row: {error}.") from error
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if isinstance(value, timedelta) or kind == "m":
        raise BadInput(
            f"{name!r} is a duration, {value}. Give what the training data had in its place, which "
            "names no unit: for a column of Parquet that was timedelta64[us] it is the number "
            "value / np.timedelta64(1, 'us'). Columns of a DataFrame are divided likewise."
        )
    if kind == "M" or (isinstance(value, date) and not _is_taken(value)):
        raise BadInput(f"{name!r} is {value}: dates are taken from the year 1 to 9999.")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return None if _is_missing(value) else value.isoformat()
    return None if str(value) in {"<NA>", "NaT", "nan"} else str(value)


def _is_missing(moment: date) -> bool:
    """Whether it is the NaT of pandas, which is a date to Python and has no day."""
    return moment != moment  # noqa: PLR0124


def _is_taken(moment: date) -> bool:
    """Whether it is missing, or in a year that ISO 8601 writes with four digits; those of pandas
    may be in others."""
    return _is_missing(moment) or MINYEAR <= moment.year <= MAXYEAR
