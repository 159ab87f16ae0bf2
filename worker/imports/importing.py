"""One import from its order to its arrays and its report."""

import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from app.jobspec.import_options import ImportOptions
from worker.imports import arrays, duplicates, parts
from worker.imports.adding import add
from worker.imports.dividing import divide, facts
from worker.imports.messages import Import, Imported
from worker.imports.preparing import prepare
from worker.imports.refusals import Refusal
from worker.imports.report import Findings, of_pictures
from worker.imports.rows import importing as table
from worker.imports.sources import opened
from worker.imports.telling import Say, Teller
from worker.imports.words import PICTURES
from worker.training.dataset import Dataset


def imported(wanted: Import, say: Say, base: Dataset | None = None) -> Imported:
    """Makes the target folder of arrays, whole or not at all; of those of a `base`, where it adds.

    Raises:
        Refusal: the file cannot be used.
        OSError: the disk is full, or something else is wrong with the machine.
    """
    if wanted.kind not in IMPORTS:
        there = " or ".join(IMPORTS)
        raise Refusal("unknown_kind", f"There are no imports of {wanted.kind!r}.", f"Use {there}.")
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
            if base is not None:
                done = add(wanted, base, made, scratch, Teller(say))
            else:
                done = IMPORTS[wanted.kind](wanted, made, scratch, Teller(say))
            _put(made, target, Path(unfinished, "replaced"))
    return done


def pictures(wanted: Import, made: Path, scratch: Path, told: Teller) -> Imported:
    """Brings pictures to one shape, divides them, and writes their arrays."""
    options = ImportOptions.stored(wanted.options)
    with opened(wanted.file, options, scratch, wanted.memory_mb) as source:
        prepared = prepare(source, options.image, scratch, told)
    damaged = [each for each in prepared.left_out if each.is_damaged]
    first = next(iter(damaged), None)
    parts.check_readable(len(prepared.found), len(damaged), first, PICTURES)
    division = divide(
        prepared.found,
        options,
        PICTURES,
        lambda divided: duplicates.across(divided, prepared.pixels),
    )
    description = arrays.write(
        made,
        wanted.name,
        classes=division.classes,
        parts=division.parts,
        pixels=prepared.pixels,
        preparation=prepared.preparation,
    )
    left_out = prepared.left_out
    findings = Findings(source.format, options, PICTURES, left_out, len(left_out), division)
    found = {
        "input_shape": description.input_shape,
        "sha256": description.sha256,
        **facts(division, options),
    }
    return Imported(found, of_pictures(findings, prepared))


IMPORTS = {"image": pictures, "table": table.imported}


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
