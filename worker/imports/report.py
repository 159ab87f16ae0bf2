"""What an import has found, for people: counts, what was left out, doubles, examples."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from app.jobspec.import_options import ImportOptions
from worker.imports.arrays import pieces
from worker.imports.dividing import Division
from worker.imports.duplicates import Twin
from worker.imports.examples import LeftOut
from worker.imports.names import shown, with_codes
from worker.imports.parts import Divided
from worker.imports.preparing import Found, Pixels, Prepared
from worker.imports.words import Words

SHOWN = 100
"""Most entries, and most doubles, that are listed."""
FEW_CLASSES = 50
"""With more classes than this each is shown by fewer and smaller pictures, so that a report stays
below 10 MB."""
EXAMPLES, EXAMPLES_OF_MANY = 4, 1
SIDE, SIDE_OF_MANY = 64, 32
"""Longest side of a picture in a report, in pixels."""
FEW_EXAMPLES = 20
"""A class with fewer training examples is warned of."""


@dataclass(frozen=True)
class Findings:
    """What an import has found and done, of whatever kind the examples are."""

    format: str
    options: ImportOptions
    words: Words
    left_out: list[LeftOut]
    left_out_count: int
    division: Division


def of_pictures(findings: Findings, prepared: Prepared) -> dict[str, Any]:
    """The document of GET /datasets/{ref}/report."""
    _, channels, height, width = prepared.pixels.shape
    image = findings.options.image
    return {
        "format": findings.format,
        "images": sum(map(len, findings.division.parts.values())),
        "left_out": left_out(findings),
        "size": [height, width],
        "size_was": "declared" if image.size is not None else "chosen",
        "color": "grey" if channels == 1 else "rgb",
        "color_was": "declared" if image.color != "auto" else "found",
        "fit": image.fit,
        "ground": image.ground,
        "classes": _classes(prepared.pixels, findings.division.parts, findings.division.classes),
        "duplicates": doubles(findings),
        "warnings": list(warnings(findings)),
    }


def left_out(findings: Findings) -> dict[str, Any]:
    """What is no example, and why: the first of it."""
    files = [{"name": each.name, "reason": each.reason} for each in findings.left_out[:SHOWN]]
    return {"count": findings.left_out_count, "files": files}


def doubles(findings: Findings) -> dict[str, Any]:
    """Examples that are there twice."""
    return {
        "within_training": findings.division.within_training,
        "across": [_twin(each) for each in findings.division.twins[:SHOWN]],
        "across_count": len(findings.division.twins),
        "dropped": findings.division.dropped,
    }


def _twin(each: Twin) -> dict[str, Any]:
    kind = "exact" if each.distance is None else "near"
    distance = each.distance or 0
    return {
        "train": each.training.name,
        "test": each.other.name,
        "part": each.part,
        "kind": kind,
        "distance": distance,
    }


def _classes(pixels: Pixels, parts: Divided, classes: Sequence[str]) -> list[dict[str, Any]]:
    of_class: dict[str, list[Found]] = {name: [] for name in classes}
    for each in parts["train"]:
        of_class[each.label].append(each)
    counts = {part: counted(found, classes) for part, found in parts.items()}
    few = len(classes) <= FEW_CLASSES
    examples, side = (EXAMPLES, SIDE) if few else (EXAMPLES_OF_MANY, SIDE_OF_MANY)
    shown = []
    for name, members in of_class.items():
        told: dict[str, Any] = {"name": name, **{part: counts[part][name] for part in parts}}
        told["mean_image"] = _picture(_mean(pixels, members), side)
        told["examples"] = [_picture(pixels[each.row], side) for each in members[:examples]]
        shown.append(told)
    return shown


def counted(found: list[Found], classes: Sequence[str]) -> dict[str, int]:
    """How many examples of each class there are."""
    counts = dict.fromkeys(classes, 0)
    for each in found:
        counts[each.label] += 1
    return counts


def _mean(pixels: Pixels, members: list[Found]) -> Pixels:
    total = np.zeros(pixels.shape[1:], np.int64)
    for piece in pieces(members, pixels):
        total += piece.sum(axis=0, dtype=np.int64)
    return (total / len(members)).round().astype(np.uint8)


def _picture(pixels: Pixels, side: int) -> str:
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image.thumbnail((side, side))
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def warnings(findings: Findings) -> Iterator[str]:
    """Sentences that the owner can act on."""
    division, things = findings.division, findings.words.examples
    classes = division.classes
    training = counted(division.parts["train"], classes)
    test = counted(division.parts["test"], classes)
    if few := [name for name in classes if training[name] < FEW_EXAMPLES]:
        yield f"Fewer than {FEW_EXAMPLES} training {things}: {_some(few)}. Bring more of these."
    if untested := [name for name in classes if not test[name]]:
        yield f"No test {things}: {_some(untested)}. How well these do is not measured."
    if coded := with_codes(classes):
        yield (
            f"Names of classes have codes, for something in them is no text: {_some(coded)}. Save "
            "the names in UTF-8 to have them as they are meant."
        )
    if division.twins and not findings.options.deduplicate:
        yield (
            f"{len(division.twins)} training {things} are in another part, too: the test looks "
            "better than it is. Send the file again with deduplicate, or remove them."
        )
    if division.contradictions:
        yield (
            f"{division.contradictions} {things} equal one of another class. Give each the right "
            "class only."
        )
    if division.torn_groups:
        torn = [shown(name) for name in division.torn_groups]
        yield (
            f"The file's own parts divide {len(torn)} groups, {_some(torn)}: the test may look "
            "better than it is. Keep each group in one part, or give no parts."
        )
    if findings.left_out_count:
        yield (
            f"{findings.left_out_count} {findings.words.entries} were left out; the first is "
            f"{findings.left_out[0].name}."
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
