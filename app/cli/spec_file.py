"""Reads a job's specification from a file, always as UTF-8 and strictly as JSON."""

import json
from pathlib import Path
from typing import Any, NoReturn


class BadSpecFile(Exception):
    """The file is no specification; the message names it, says why, and what to do."""


def read(file: Path) -> Any:
    """What the file holds; whether it is a valid job is for the API to say.

    Raises:
        BadSpecFile: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(
            file.read_bytes().decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_repeats,
        )
    except OSError as error:
        raise BadSpecFile(f"{file}: {error.strerror}; name a readable JSON file.") from error
    except UnicodeDecodeError as error:
        at = f"byte {error.start}"
        raise BadSpecFile(f"{file} is not UTF-8 text ({at}); save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise BadSpecFile(f"{file} is not JSON: {error}; correct it and submit again.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {repeated!r} stands there twice")
    return fields
