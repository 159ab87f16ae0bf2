"""One import from its order to its arrays and its report."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from app.jobspec.import_options import ImportOptions
from worker.imports import arrays, duplicates, parts
from worker.imports.messages import Import, Imported, Progress
from worker.imports.parts import Divided
from worker.imports.preparing import prepare
from worker.imports.refusals import Refusal
from worker.imports.report import Findings, report
from worker.imports.sources import opened

TELL_SECONDS = 0.25

Say = Callable[[Progress], None]


def imported(wanted: Import, say: Say) -> Imported:
    """Makes the target folder of arrays, whole or not at all.

    Raises:
        Refusal: the file cannot be used.
        OSError: the disk is full, or something else is wrong with the machine.
    """
    if wanted.kind != "image":
        raise Refusal("unknown_kind", f"There are no imports of {wanted.kind!r}.", "Use image.")
    target = Path(wanted.target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        for abandoned in target.parent.glob(f"{target.name}.partial-*"):  # of one that was killed
            shutil.rmtree(abandoned)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f"{target.name}.partial-"
        ) as unfinished:
            made, scratch = Path(unfinished, "made"), Path(unfinished, "scratch")
            made.mkdir()
            scratch.mkdir()
            done = _import(wanted, made, scratch, Teller(say))
            _put(made, target, Path(unfinished, "replaced"))
    return done


def _import(wanted: Import, made: Path, scratch: Path, told: "Teller") -> Imported:
    options = ImportOptions.stored(wanted.options)
    with opened(Path(wanted.source), options, scratch, wanted.memory_mb) as source:
        prepared = prepare(source, options.image, scratch, told)
    parts.check(prepared.found, prepared.left_out)
    divided = parts.divided(prepared.found, options.parts)
    parts.check_parts(divided)
    twins = duplicates.across(divided, prepared.pixels)
    again = duplicates.within(divided["train"])
    contradictions = duplicates.contradictions(divided)
    dropped = 0
    if options.deduplicate:
        doubles = {each.training.row for each in twins} | {each.row for each in again}
        divided, dropped = _without(divided, doubles), len(doubles)
        parts.check_parts(divided)
    classes = parts.class_names(each for some in divided.values() for each in some)
    description = arrays.write(
        made,
        wanted.name,
        classes=classes,
        parts=divided,
        pixels=prepared.pixels,
        preparation=prepared.preparation,
    )
    findings = Findings(
        source.format,
        options,
        prepared,
        divided,
        classes,
        twins,
        len(again),
        dropped,
        contradictions,
        parts.split_groups(divided),
    )
    facts = {
        "input_shape": description.input_shape,
        "classes": len(classes),
        "train_images": len(divided["train"]),
        "test_images": len(divided["test"]),
        "validation_images": len(divided["validation"]),
        "sha256": description.sha256,
        "duplicates": 0 if options.deduplicate else len(twins),
    }
    return Imported(facts, report(findings))


def _without(divided: Divided, rows: set[int]) -> Divided:
    return divided | {"train": [each for each in divided["train"] if each.row not in rows]}


def _put(made: Path, target: Path, replaced: Path) -> None:
    """Gives the folder its name. One of that name goes first, and as a whole."""
    if target.exists():
        target.rename(replaced)
    made.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Teller:
    """Says how much is done, a few times a second."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._next = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        """Says it, if it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TELL_SECONDS
            self._say(Progress(done, max(done, total), what))
