"""What the API answers about datasets of one's own."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from app.answers.described import DOCSTRINGS, described
from app.codes import DatasetStatus
from app.docstrings import describe
from app.jobspec import DatasetFacts


class Content(BaseModel):
    """The uploaded file."""

    model_config = DOCSTRINGS

    sha256: str
    """SHA-256 in hexadecimal."""
    bytes: int
    """Size in bytes."""


class ImportProgress(BaseModel):
    """How far an import is."""

    model_config = ConfigDict(json_schema_extra=describe, extra="ignore")

    done: int
    """How many are done."""
    total: int
    """How many there are; 0 until that is known."""
    what: str
    """What is counted."""


class Refusal(BaseModel):
    """Why a file cannot be used."""

    model_config = DOCSTRINGS

    code: str
    """The kind of refusal; codes never change."""
    message: str
    """What was found."""
    advice: str
    """What to change."""


class DatasetVersion(BaseModel):
    """A version of a dataset."""

    model_config = described("dataset_examples.DATASET")

    id: str
    """`ds_` and 26 characters; ids sort by the time of creation."""
    name: str
    """What jobs call it."""
    version: int
    """1 for the first of its name; numbers never come twice."""
    kind: str
    """What an example is."""
    status: DatasetStatus
    """Where it is on its way: jobs may train on it once it is `ready`."""
    created_at: str
    """When it was made (RFC 3339, UTC)."""
    submitted_by: str | None
    """Id of the API key that made it; null where none was asked for."""
    file_name: str
    """What its owner calls the file."""
    options: dict[str, Any]
    """How its file is read, defaults filled in."""
    content: Content | None
    """Its file, once that is whole."""
    progress: ImportProgress | None
    """How far its import is, while there is one."""
    facts: DatasetFacts | None
    """What jobs read of it, once it is ready: shape, classes, sizes of its parts."""
    refusal: Refusal | None
    """Why its file cannot be used; null unless it was refused."""


class Received(BaseModel):
    """How much of a file has arrived."""

    model_config = DOCSTRINGS

    received: int
    """Bytes; the next part begins there."""
