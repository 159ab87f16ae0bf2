"""Reads a job's specification from a file, always as UTF-8 and strictly as JSON."""

from pathlib import Path
from typing import Any

from app import json_text


class BadSpecFile(Exception):
    """The file is no specification; the message names it, says why, and what to do."""


def read(file: Path) -> Any:
    """What the file holds; whether it is a valid job is for the API to say.

    Raises:
        BadSpecFile: it cannot be read, or is not JSON.
    """
    try:
        return json_text.parse(file.read_bytes())
    except OSError as error:
        raise BadSpecFile(f"{file}: {error.strerror}; name a readable JSON file.") from error
    except UnicodeDecodeError as error:
        at = f"byte {error.start}"
        raise BadSpecFile(f"{file} is not UTF-8 text ({at}); save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise BadSpecFile(f"{file} is not JSON: {error}; correct it and submit again.") from error
