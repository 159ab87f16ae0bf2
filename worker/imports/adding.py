"""Pictures that are added to the training part of another dataset: corrections, above all.

The new version is a dataset like any other, with arrays of its own. Its test part is the very one
of the base, in the same order, so that a model of it can be compared with a model of the base.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from app import jobspec
from app.images.preparation import Preparation
from app.jobspec.import_options import ImageOptions, ImportOptions
from worker.datasets import DatasetUnavailable
from worker.imports import arrays, duplicates, parts
from worker.imports.dividing import Division, facts
from worker.imports.messages import Base, Import, Imported, Progress
from worker.imports.parts import Divided
from worker.imports.preparing import Found, Pixels, Prepared, prepare
from worker.imports.refusals import Refusal
from worker.imports.report import Findings, of_pictures
from worker.imports.sources import opened
from worker.imports.telling import Say, Teller
from worker.imports.words import PICTURES
from worker.open_dataset import open_dataset
from worker.training.dataset import Array, Dataset, Description


def open_base(base: Base | None, say: Say) -> Dataset | None:
    """Maps the arrays of a base, made first where they are missing; None where none is wanted.

    Raises:
        Refusal: it cannot be had any more.
    """
    if base is None:
        return None
    if "facts" not in base.dataset:
        message = f"The dataset {base.dataset['name']}, to which this one adds, was deleted."
        raise Refusal("base_unavailable", message, "Name another base, and send the file again.")
    wanted = jobspec.Dataset.stored(base.dataset)
    try:
        return open_dataset(wanted, base, lambda: say(Progress(0, 0, "images of the base")))
    except DatasetUnavailable as unavailable:
        raise Refusal("base_unavailable", str(unavailable), unavailable.advice) from unavailable


def add(wanted: Import, base: Dataset, made: Path, scratch: Path, told: Teller) -> Imported:
    """Brings pictures to the shape of the base's, and writes the arrays of both together.

    Raises:
        Refusal: the file cannot be used, or names a class that the base does not have.
    """
    described = base.description
    if not isinstance(described, Description):
        raise TypeError("pictures are added to pictures")
    options = ImportOptions.stored(wanted.options)
    with opened(wanted.file, options, scratch, wanted.memory_mb) as source:
        image = _image_options(options.image, described)
        prepared = prepare(source, image, scratch, told)
    damaged = [each for each in prepared.left_out if each.is_damaged]
    first = next(iter(damaged), None)
    parts.check_readable(len(prepared.found), len(damaged), first, PICTURES)
    _check_classes(prepared.found, described.classes)
    together, divided = _joined(base, described, prepared, scratch / "together")
    division = Division(
        divided,
        described.classes,
        duplicates.exact(divided),
        len(duplicates.within(divided["train"])),
        0,
        duplicates.contradictions(divided),
        [],
    )
    written = arrays.write(
        made,
        wanted.name,
        classes=described.classes,
        parts=divided,
        pixels=together,
        preparation=prepared.preparation,
    )
    whole = msgspec.structs.replace(
        described,
        name=wanted.name,
        sha256=written.sha256,
        test_of=described.test_of or described.sha256,
        base=described.base or described.name,
    )
    arrays.describe(made, whole)
    found = {
        "input_shape": described.input_shape,
        "sha256": written.sha256,
        **facts(division, options),
    }
    left_out = prepared.left_out
    stated = options.model_copy(update={"image": image})
    findings = Findings(source.format, stated, PICTURES, left_out, len(left_out), division)
    return Imported(found, of_pictures(findings, prepared._replace(pixels=together)))


def _image_options(sent: ImageOptions, base: Description) -> ImageOptions:
    """The shape of the base's pictures, and how they were brought to it."""
    channels, height, width = base.input_shape
    decided: dict[str, object] = {
        "size": [height, width],
        "color": "grey" if channels == 1 else "rgb",
    }
    if base.preparation is not None:
        kept = Preparation.from_json(base.preparation)
        decided |= {"fit": kept.fit, "ground": "#{:02x}{:02x}{:02x}".format(*kept.ground)}
    return sent.model_copy(update=decided)


def _check_classes(found: list[Found], classes: list[str]) -> None:
    for each in found:
        if each.label not in classes:
            raise Refusal(
                "unknown_class",
                f"{each.name} is of the class {each.label!r}, which the base does not have.",
                f"Name the folders as its classes: {', '.join(classes[:20])}.",
            )


def _joined(
    base: Dataset, described: Description, prepared: Prepared, file: Path
) -> tuple[Pixels, Divided]:
    """All pictures in one file, and which of them are in which part, the base's in its order."""
    divided: Divided = {"train": [], "validation": [], "test": []}
    row = 0
    with file.open("wb", buffering=2**20) as together:
        for part, images, labels, names in _parts(base):
            for index, pixels in enumerate(images):
                together.write(pixels.data)
                name = names[index] if names else f"{described.name}, {part} {index}"
                label = described.classes[labels[index]]
                digest = sha256(pixels.data).digest()
                divided[part].append(Found(row, name, label, part, None, digest, 0))
                row += 1
        for each in prepared.found:
            pixels = _scaled(prepared.pixels[each.row], described.pixel_range[1])
            together.write(pixels.data)
            digest = sha256(pixels.data).digest()
            divided["train"].append(Found(row, each.name, each.label, "train", None, digest, 0))
            row += 1
    return np.memmap(file, np.uint8, "r", shape=(row, *described.input_shape)), divided


def _parts(
    base: Dataset,
) -> Iterator[tuple[str, Iterator[Array], Array, list[str] | None]]:
    """Of each part of a dataset: its name, pictures one after another, labels, and their names."""
    yield "train", _each(base.train_images), base.train_labels, base.names("train")
    yield "test", _each(base.test_images), base.test_labels, base.names("test")
    if base.validation_images is not None and base.validation_labels is not None:
        yield "validation", _each(base.validation_images), base.validation_labels, None


def _each(images: Array) -> Iterator[Array]:
    return (np.ascontiguousarray(image) for image in images)


def _scaled(pixels: Pixels, highest: int) -> Pixels:
    """Pixels from 0 to 255 as the base has them, from 0 to `highest`."""
    if highest == arrays.HIGHEST:
        return np.ascontiguousarray(pixels)
    scaled: Pixels = np.rint(pixels * (highest / arrays.HIGHEST)).astype(np.uint8)
    return scaled
