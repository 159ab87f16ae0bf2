"""What a worker and an import say to each other: one JSON document in, JSON lines out."""

import sys
from pathlib import Path
from typing import Any

import msgspec

COMMAND = [sys.executable, "-P", "-m", "worker.imports"]
"""Starts the process of an import."""


class Stored(msgspec.Struct, frozen=True):
    """An uploaded file in a bucket: fetched by its digest, and kept for the next time."""

    objects: str
    """Address of the bucket, such as s3://bucket/prefix; credentials come from the environment."""
    digest: str
    """SHA-256 of the file, in hexadecimal."""
    size: int
    """Bytes of the file."""
    cache: str
    """Folder in which fetched files are kept."""
    cache_bytes: int
    """Most bytes that they and the arrays of datasets take; what is in use stays, though."""


class Base(msgspec.Struct, frozen=True):
    """The dataset to whose training part an import adds, and where its arrays are."""

    dataset: dict[str, Any]
    """Name and facts, as a specification has them."""
    datasets_home: str
    """Folder of the decoded datasets."""
    datasets_source: str | None
    """Folder in torchvision's layout to look in before any download."""
    own_dataset: "Import | None"
    """How to import it again, if it is one of the owner's and its arrays are not here."""


class Import(msgspec.Struct, frozen=True):
    """What to import, on standard input."""

    source: str | Stored
    """The uploaded file: its path, or where it is to be fetched from."""
    target: str
    """The folder of arrays to be made, whole or not at all."""
    name: str
    """What the dataset is called."""
    file_name: str
    """What its owner calls the file; never a path here."""
    kind: str
    """What an example is."""
    options: dict[str, Any]
    """How to read it, as `ImportOptions` has it."""
    memory_mb: int | None = None
    """Most memory that the import may take, in MB, beyond what it starts with."""
    base: Base | None = None
    """What the examples are added to; mostly they are a dataset by themselves."""

    @property
    def file(self) -> Path:
        """The uploaded file, which is here.

        Raises:
            TypeError: it is yet to be fetched.
        """
        if isinstance(self.source, Stored):
            raise TypeError(f"{self.source.digest} has not been fetched")
        return Path(self.source)


class Progress(msgspec.Struct, frozen=True, tag_field="type", tag="progress"):
    """How far it is; said a few times a second, as a sign of life, too."""

    done: int
    total: int
    """0 where it is not known yet."""
    what: str
    """What is counted."""


class Imported(msgspec.Struct, frozen=True, tag_field="type", tag="imported"):
    """The last word: the arrays are there."""

    facts: dict[str, Any]
    """What specs know of it, as `DatasetFacts`, without its id and version."""
    report: dict[str, Any]
    """What was found."""


class Refused(msgspec.Struct, frozen=True, tag_field="type", tag="refused"):
    """The last word: the file cannot be used."""

    code: str
    message: str
    advice: str


class Delayed(msgspec.Struct, frozen=True, tag_field="type", tag="delayed"):
    """The last word: the file could not be fetched for long; later it may be."""

    message: str


class Hindered(msgspec.Struct, frozen=True, tag_field="type", tag="hindered"):
    """The last word: the machine is at fault and not the file, as with a full disk."""

    how: str
    advice: str


LastWord = Imported | Refused | Delayed | Hindered


def encode_order(order: Import) -> bytes:
    """What stands on an import's input."""
    return msgspec.json.encode(order)


def decode(line: bytes) -> Progress | LastWord:
    """A line of an import's output.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(line, type=Progress | LastWord)


def encode(message: Progress | LastWord) -> bytes:
    """The line that says it."""
    return msgspec.json.encode(message) + b"\n"
