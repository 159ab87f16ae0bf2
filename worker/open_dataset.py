"""Maps the dataset of a run; arrays that are missing here are made first, in another process.

A worker that has not imported a dataset of one's own itself, or has lost its arrays, imports it
again from its file: an import gives the same arrays each time.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

import msgspec

from app import jobspec, lifeline
from worker.imports.messages import COMMAND, Refused, decode, encode_order
from worker.messages import Order
from worker.training.dataset import Dataset, NotDecoded, load

ROOM = "The worker needs room for it on its disk."


class DatasetUnavailable(Exception):
    """A dataset cannot be had; `advice` says what its owner can do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


def open_dataset(wanted: jobspec.Dataset, order: Order) -> Dataset:
    """Maps a decoded dataset; one that is missing or damaged is decoded first.

    Raises:
        DatasetUnavailable: it cannot be had.
    """
    home, facts = Path(order.datasets_home), wanted.facts
    folder = home / (facts.id or wanted.name)
    with contextlib.suppress(NotDecoded):
        return load(folder, facts)
    if facts.id is None:
        _decode_built_in(wanted.name, home, order.datasets_source)
    else:
        _import_again(f"{wanted.name}@{facts.version}", order)
    try:
        return load(folder, facts)
    except NotDecoded as error:
        raise DatasetUnavailable(
            f"{wanted.name} was decoded, and is not what the job was submitted with: {error}.",
            "Submit the job again; if it fails again, report it with the worker's log.",
        ) from error


def _decode_built_in(name: str, home: Path, source: str | None) -> None:
    command = [sys.executable, "-P", "-m", "worker.datasets", name, str(home)]
    command += [source] if source else []
    output, errors, code = _run(command)
    if code:
        try:
            told = msgspec.json.decode(output, type=dict[str, str])
        except msgspec.DecodeError:
            raise DatasetUnavailable(
                f"Decoding {name} failed: {_last(errors, code)}.", ROOM
            ) from None
        raise DatasetUnavailable(told["message"], told["advice"])


def _import_again(name: str, order: Order) -> None:
    source = order.own_dataset
    if source is None or not Path(source.source).is_file():
        raise DatasetUnavailable(
            f"The arrays of {name} are missing on this worker, and its file, too.",
            "Put TRAIND_HOME/objects back from a backup, or send the file as the next version.",
        )
    output, errors, code = _run(COMMAND, encode_order(source))
    if code:
        raise DatasetUnavailable(f"Importing {name} again failed: {_last(errors, code)}.", ROOM)
    last = decode(output.splitlines()[-1])
    if isinstance(last, Refused):
        raise DatasetUnavailable(last.message, last.advice)


def _run(command: list[str], order: bytes | None = None) -> tuple[bytes, bytes, int]:
    pipe = subprocess.PIPE
    with lifeline.Process(command, stdin=pipe, stdout=pipe, stderr=pipe) as decoding:
        output, errors = decoding.communicate(order)
    return output, errors, decoding.returncode


def _last(errors: bytes, code: int) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {code}"
