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
from worker.imports.duplicates import Twin
from worker.imports.examples import LeftOut
from worker.imports.parts import Divided
from worker.imports.preparing import Found, Pixels, Prepared

SHOWN = 100
"""Most files, and most doubles, that are listed."""
FEW_CLASSES = 50
"""Up to so many classes are shown by more and larger pictures: reports stay below 10 MB."""
EXAMPLES, EXAMPLES_OF_MANY = 4, 1
SIDE, SIDE_OF_MANY = 64, 32
"""Longest side of a picture in a report, in pixels."""
FEW_EXAMPLES = 20
"""A class with fewer training pictures is warned of."""


@dataclass(frozen=True)
class Findings:
    """What an import has found and done."""

    format: str
    options: ImportOptions
    prepared: Prepared
    parts: Divided
    """As they were written."""
    classes: Sequence[str]
    twins: list[Twin]
    within_training: int
    dropped: int
    contradictions: int
    """Pictures with the same pixels as one of another class."""
    torn_groups: list[str]


def report(findings: Findings) -> dict[str, Any]:
    """The document of GET /datasets/{ref}/report."""
    _, channels, height, width = findings.prepared.pixels.shape
    left_out, image = findings.prepared.left_out, findings.options.image
    return {
        "format": findings.format,
        "images": sum(map(len, findings.parts.values())),
        "left_out": {"count": len(left_out), "files": [_file(each) for each in left_out[:SHOWN]]},
        "size": [height, width],
        "size_was": "declared" if image.size is not None else "chosen",
        "color": "grey" if channels == 1 else "rgb",
        "color_was": "declared" if image.color != "auto" else "found",
        "fit": image.fit,
        "ground": image.ground,
        "classes": _classes(findings.prepared.pixels, findings.parts, findings.classes),
        "duplicates": {
            "within_training": findings.within_training,
            "across": [_twin(each) for each in findings.twins[:SHOWN]],
            "across_count": len(findings.twins),
            "dropped": findings.dropped,
        },
        "warnings": list(_warnings(findings)),
    }


def _file(each: LeftOut) -> dict[str, str]:
    return {"name": each.name, "reason": each.reason}


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
    counts = {part: _counted(found, classes) for part, found in parts.items()}
    few = len(classes) <= FEW_CLASSES
    examples, side = (EXAMPLES, SIDE) if few else (EXAMPLES_OF_MANY, SIDE_OF_MANY)
    shown = []
    for name, members in of_class.items():
        told: dict[str, Any] = {"name": name, **{part: counts[part][name] for part in parts}}
        told["mean_image"] = _picture(_mean(pixels, members), side)
        told["examples"] = [_picture(pixels[each.row], side) for each in members[:examples]]
        shown.append(told)
    return shown


def _counted(found: list[Found], classes: Sequence[str]) -> dict[str, int]:
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


def _warnings(findings: Findings) -> Iterator[str]:
    """Sentences that the owner can act on."""
    classes, left_out = findings.classes, findings.prepared.left_out
    training = _counted(findings.parts["train"], classes)
    test = _counted(findings.parts["test"], classes)
    if few := [name for name in classes if training[name] < FEW_EXAMPLES]:
        yield f"Fewer than {FEW_EXAMPLES} training pictures: {_some(few)}. Bring more of these."
    if untested := [name for name in classes if not test[name]]:
        yield f"No test picture: {_some(untested)}. How well these do is not measured."
    if findings.twins and not findings.options.deduplicate:
        yield (
            f"{len(findings.twins)} training pictures are in another part, too: the test looks "
            "better than it is. Send the file again with deduplicate, or remove them."
        )
    if findings.contradictions:
        yield (
            f"{findings.contradictions} pictures have the same pixels as one of another class. "
            "Give each the right class only."
        )
    if findings.torn_groups:
        yield (
            f"The file's own parts divide {len(findings.torn_groups)} groups, "
            f"{_some(findings.torn_groups)}: the test may look better than it is. Keep each group "
            "in one part, or give no parts."
        )
    if left_out:
        yield f"{len(left_out)} files were left out; the first is {left_out[0].name}."


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
