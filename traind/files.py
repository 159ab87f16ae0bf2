"""Files to predict from: a picture as it is, or the rows of a table in CSV or JSON."""

import csv
import io
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from app import json_text
from app.rows.delimited import column_names, decoded, found_delimiter
from traind.errors import BadInput

SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
}
"""How files of each media type begin; a WebP file has its mark behind eight bytes."""
TEXTS = {".csv", ".tsv", ".json", ".jsonl", ".ndjson"}
"""Endings of files that hold values."""


class BadPredictFile(BadInput):
    """Nothing can be predicted from a file; the message names it and says why."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")


@dataclass(frozen=True)
class Picture:
    """An image file, and its media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Inputs:
    """Rows of a table, or pixels: what `inputs` of a request may be."""

    values: list[Any]
    are_rows: bool
    """Whether each value is an input, so that they may be sent in several requests."""


def read(file: Path) -> Picture | Inputs:
    """What a file holds. Whether a model takes it is for the API to say.

    Raises:
        BadPredictFile: it is no image file, and no CSV or JSON.
        OSError: it cannot be read.
    """
    content = file.read_bytes()
    suffix = file.suffix.lower()
    if suffix not in TEXTS:
        return Picture(content, _media_type(file, content))
    try:
        if suffix in {".csv", ".tsv"}:
            return Inputs(_csv_rows(decoded(content)), are_rows=True)
        if suffix == ".json":
            return _json_inputs(json_text.parse(content))
        json_text.check_encoding(content)
        lines = [line for line in str(content, "utf-8-sig").splitlines() if line.strip()]
        return Inputs([json_text.parse(line.encode()) for line in lines], are_rows=True)
    except json_text.OtherEncoding as error:
        raise BadPredictFile(file, f"is text in {error.encoding}; save it as UTF-8") from error
    except UnicodeDecodeError as error:
        raise BadPredictFile(file, f"is not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise BadPredictFile(file, f"cannot be read: {error}") from error


def _media_type(file: Path, content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    for beginning, media_type in SIGNATURES.items():
        if content.startswith(beginning):
            return media_type
    raise BadPredictFile(
        file,
        "is no PNG, JPEG, WebP, GIF, BMP or TIFF; name rows of a table .csv, .json or .jsonl",
    )


def _csv_rows(text: str) -> list[dict[str, str | None]]:
    """The rows by the names that an import gives the columns."""
    separator = found_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records = filter(None, reader)
    names = column_names(next(records, []))
    rows = []
    for values in records:
        if len(values) > len(names):
            raise ValueError(f"line {reader.line_num} has more values than the header has names")
        rows.append(dict(zip_longest(names, values)))
    if not rows:
        raise ValueError("there are no rows below the header")
    return rows


def _json_inputs(value: Any) -> Inputs:
    if isinstance(value, dict):
        return Inputs([value], are_rows=True)
    if not isinstance(value, list) or not value:
        raise ValueError("it holds neither a row nor a list of inputs")
    return Inputs(value, are_rows=all(isinstance(each, dict) for each in value))
