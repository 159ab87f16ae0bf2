"""Maps the dataset of a run; arrays that are missing here are made first.

A worker that has not imported a dataset of one's own itself, or has lost its arrays, imports it
again from its file: an import gives the same arrays each time.
"""

import contextlib
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import msgspec

from app import jobspec, lifeline
from worker import datasets
from worker.datasets import DatasetUnavailable
from worker.disk_faults import advice
from worker.imports.messages import (
    COMMAND,
    Delayed,
    Hindered,
    Import,
    Refused,
    Stored,
    decode,
    encode_order,
)
from worker.in_use import mark
from worker.training.dataset import Dataset, NotDecoded, load

DIED = "Often the memory or the disk did not suffice; see the worker's log, then try the job again."
LATER = "Try the job again once the object storage answers; on a worker, `traind doctor` asks it."


class Place(Protocol):
    """Where arrays are, and what to make them of; see `worker.messages.Order`."""

    @property
    def datasets_home(self) -> str: ...
    @property
    def datasets_source(self) -> str | None: ...
    @property
    def own_dataset(self) -> Import | None: ...


def open_dataset(
    wanted: jobspec.Dataset, order: Place, heartbeat: Callable[[], None] = lambda: None
) -> Dataset:
    """Maps a decoded dataset; one that is missing or damaged is decoded first.

    `heartbeat` is called whenever an import says how far it is; an exception that it raises ends
    the import. A download says nothing: it may hang.

    Raises:
        DatasetUnavailable: it cannot be had.
    """
    folder = Path(order.datasets_home) / (wanted.facts.id or wanted.name)
    source = order.own_dataset.source if order.own_dataset else None
    if not isinstance(source, Stored):  # nobody makes room among such arrays
        return _open(wanted, order, folder, heartbeat)
    try:
        in_use = mark(folder)
    except OSError as error:
        message = f"{wanted.name} cannot be kept on this worker: {error}."
        raise DatasetUnavailable(message, advice(error)) from error
    try:
        dataset = _open(wanted, order, folder, heartbeat)
    except BaseException:
        in_use.close()
        raise
    weakref.finalize(dataset, in_use.close)
    return dataset


def _open(
    wanted: jobspec.Dataset, order: Place, folder: Path, heartbeat: Callable[[], None]
) -> Dataset:
    facts = wanted.facts
    with contextlib.suppress(NotDecoded):
        return load(folder, facts)
    if facts.id is None:
        _decode_built_in(wanted.name, folder.parent, order.datasets_source)
    else:
        _import_again(f"{wanted.name}@{facts.version}", order, heartbeat)
    try:
        return load(folder, facts)
    except NotDecoded as error:
        raise DatasetUnavailable(
            f"{wanted.name} was decoded, and is not what the job was submitted with: {error}.",
            "Submit the job again; if it fails again, report it with the worker's log.",
        ) from error


def _decode_built_in(name: str, home: Path, source: str | None) -> None:
    try:
        datasets.decode(name, home, Path(source) if source else None)
    except OSError as error:
        raise DatasetUnavailable(f"Decoding {name} failed: {error}.", advice(error)) from error


def _import_again(name: str, order: Place, heartbeat: Callable[[], None]) -> None:
    source = order.own_dataset
    if source is None or (isinstance(source.source, str) and not source.file.is_file()):
        raise DatasetUnavailable(
            f"The arrays of {name} are missing on this worker, and its file, too.",
            "Put TRAIND_HOME/objects back from a backup, or send the file as the next version.",
        )
    with tempfile.TemporaryFile() as told:
        code = _imported(source, told, heartbeat)
        told.seek(0)
        errors = told.read()
    if code:
        raise DatasetUnavailable(f"Importing {name} again failed: {_last(errors, code)}.", DIED)


def _imported(source: Import, errors: IO[bytes], heartbeat: Callable[[], None]) -> int:
    """Runs an import to its end; returns its exit code.

    Raises:
        DatasetUnavailable: the file was refused, or the machine is at fault.
    """
    pipe = subprocess.PIPE
    with lifeline.Process(COMMAND, stdin=pipe, stdout=pipe, stderr=errors) as importing:
        try:
            if importing.stdin is not None and importing.stdout is not None:
                with contextlib.suppress(BrokenPipeError), importing.stdin as order:
                    order.write(encode_order(source))
                for line in importing.stdout:
                    _hear(line, heartbeat)
        except BaseException:
            importing.kill()
            raise
    return importing.returncode


def _hear(line: bytes, heartbeat: Callable[[], None]) -> None:
    with contextlib.suppress(msgspec.DecodeError):  # a library's word
        said = decode(line)
        if isinstance(said, Refused):
            raise DatasetUnavailable(said.message, said.advice)
        if isinstance(said, Delayed):
            raise DatasetUnavailable(said.message, LATER)
        if isinstance(said, Hindered):
            message = f"The arrays could not be made again on this worker: {said.how}."
            raise DatasetUnavailable(message, said.advice)
        heartbeat()


def _last(errors: bytes, code: int) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {code}"
