"""What `traind doctor` looks at of datasets: built-in ones, the bucket, and the uploaded files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from app.cli.checks import Check, Verdict

FOLDERS = ("MNIST", "FashionMNIST", "KMNIST")
"""Datasets that are looked for in TRAIND_DATASETS; each has a folder `raw` (torchvision)."""
SHOWN = 3
"""How many missing files are named."""


def built_in(folder: Path | None) -> Check:
    """Whether MNIST and its family are there."""
    if folder is None:
        told = "MNIST and its family are downloaded when a job first needs them"
        return Check("datasets", Verdict.OK, told)
    if not folder.is_dir():
        told = f"TRAIND_DATASETS={folder} is no folder"
        return Check("datasets", Verdict.FAIL, told, "name one that holds MNIST/raw, or unset it")
    there = [name for name in FOLDERS if (folder / name / "raw").is_dir()]
    if not there:
        told = f"{folder} holds none of {', '.join(f'{name}/raw' for name in FOLDERS)}"
        return Check("datasets", Verdict.WARN, told, "put one there, or let jobs download it")
    return Check("datasets", Verdict.OK, f"{', '.join(there)} at {folder}")


def bucket(address: str) -> Check:
    """Whether the bucket of uploaded files answers."""
    from app.store.object_errors import ObjectsUnavailable
    from app.store.objects import open_objects

    try:
        open_objects(address).check()
    except ObjectsUnavailable as error:
        told = str(error).removesuffix(".")
        return Check("objects", Verdict.FAIL, told, "uploads and imports wait; docs/objects.md")
    return Check("objects", Verdict.OK, f"{address} answers")


def files(where: str | Path, named: Mapping[str, list[str]]) -> Iterator[Check]:
    """Whether the uploaded files are there that versions name (by digest); none without an answer.

    That a bucket does not answer is said by its own check.
    """
    from app.store.missing_objects import look
    from app.store.object_errors import ObjectsUnavailable
    from app.store.objects import open_objects

    if not named:
        yield Check("files", Verdict.OK, "no dataset has an uploaded file")
        return
    try:
        found = look(open_objects(where), named)
    except ObjectsUnavailable:
        return
    count = f"{found.looked_for} of {len(named)}" if found.looked_for < len(named) else "all"
    if not found.missing:
        yield Check("files", Verdict.OK, f"{count} uploaded files of datasets are in {where}")
        return
    shown = [f"{', '.join(named[each])} (sha256 {each})" for each in found.missing[:SHOWN]]
    more = f" and {len(found.missing) - SHOWN} more" if len(found.missing) > SHOWN else ""
    told = f"{len(found.missing)} of {found.looked_for} uploaded files are missing in {where}: "
    advice = "put them back from a backup's folder .objects, or send the same files again"
    yield Check("files", Verdict.FAIL, told + "; ".join(shown) + more, advice)
