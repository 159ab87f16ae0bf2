"""`python -P -m worker.imports`: makes arrays of an uploaded file; the order is JSON on its input.

It says what it does in JSON lines (messages.py). A fault of the machine, such as a full disk, ends
it with a traceback, and its worker tries it again; a fault of the file is a refusal.
"""

import os
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

import msgspec
from filelock import FileLock
from PIL import Image

from app.jobspec.import_options import ImportOptions
from app.lifeline import Line
from worker import memory
from worker.imports import arrays, duplicates, parts
from worker.imports.messages import Import, Imported, LastWord, Progress, Refused, encode
from worker.imports.pictures import prepare
from worker.imports.refusals import Refusal
from worker.imports.report import report
from worker.imports.sources import opened

NICENESS = 10
TELL_SECONDS = 0.25


def main() -> None:
    """Imports what the order on standard input says, and tells how it ended."""
    Line()
    os.nice(NICENESS)
    warnings.simplefilter("ignore")  # Pillow's about odd files: what cannot be read is listed
    Image.MAX_IMAGE_PIXELS = None  # app/images checks the sides before anything is decoded
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Import)
    if wanted.memory_mb is not None:
        memory.limit(wanted.memory_mb)
    last: LastWord
    try:
        last = imported(wanted)
    except Refusal as refusal:
        last = Refused(refusal.code, refusal.message, refusal.advice)
    except MemoryError:
        last = Refused(
            "too_large",
            f"Reading the file takes more than {wanted.memory_mb} MB of memory.",
            "Send smaller pictures, or raise TRAIND_RUN_MEMORY_MB.",
        )
    say(last)


def say(message: Progress | LastWord) -> None:
    """Writes a line to the worker."""
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def imported(wanted: Import) -> Imported:
    """Makes the target folder of arrays, whole or not at all.

    Raises:
        Refusal: the file cannot be used.
    """
    target = Path(wanted.target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        for abandoned in target.parent.glob(f"{target.name}.partial-*"):  # of one that was killed
            shutil.rmtree(abandoned, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f"{target.name}.partial-", ignore_cleanup_errors=True
        ) as unfinished:
            made = Path(unfinished) / "made"
            scratch = Path(unfinished) / "scratch"
            made.mkdir()
            scratch.mkdir()
            done = _import(wanted, made, scratch)
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
    return done


def _import(wanted: Import, made: Path, scratch: Path) -> Imported:
    options = ImportOptions.stored(wanted.options)
    source = opened(Path(wanted.source), options, scratch)
    prepared = prepare(source, options.image, scratch, Teller())
    parts.check(prepared.found, len(prepared.left_out))
    divided = parts.divided(prepared.found, options.parts)
    twins, again = duplicates.across(divided, prepared.pixels), duplicates.within(divided["train"])
    dropped = 0
    if options.deduplicate:
        doubles = {each.training.row for each in twins} | {each.row for each in again}
        kept = [each for each in divided["train"] if each.row not in doubles]
        dropped = len(divided["train"]) - len(kept)
        divided["train"] = kept
    classes = parts.class_names([each for some in divided.values() for each in some])
    if not divided["train"]:
        raise Refusal(
            "empty_part",
            "Every training picture is in the test part, too.",
            "Bring other pictures for the test, or give no parts.",
        )
    description = arrays.write(made, wanted.name, classes, divided, prepared)
    facts = {
        "input_shape": description.input_shape,
        "classes": len(classes),
        "train_images": len(divided["train"]),
        "validation_images": len(divided["validation"]),
        "test_images": len(divided["test"]),
        "sha256": description.sha256,
        "duplicates": 0 if options.deduplicate else len(twins),
    }
    found = report(
        prepared,
        source.format,
        divided,
        classes,
        twins,
        again=len(again),
        dropped=dropped,
        declared={
            "size": options.image.size is not None,
            "color": options.image.color != "auto",
        },
    )
    return Imported(facts, found)


class Teller:
    """Says how many pictures are done, a few times a second."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Says it, if it is time."""
        if time.monotonic() >= self._next or done == total:
            self._next = time.monotonic() + TELL_SECONDS
            say(Progress(done, total, "images"))


if __name__ == "__main__":
    main()
