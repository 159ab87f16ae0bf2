"""What an import has found, for people: counts, what was left out, doubles, examples."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.imports.duplicates import Twin
from worker.imports.examples import LeftOut
from worker.imports.pictures import Found, Prepared

SHOWN = 100
"""Most files, and most doubles, that are listed."""
EXAMPLES = 4
FEW_CLASSES = 100
"""Up to so many classes each is shown by examples, and by its mean picture."""
MOST_SIDE = 96
"""Longest side of a picture in a report, in pixels."""
FEW_EXAMPLES = 20
"""A class with fewer training pictures is warned of."""


def report(
    prepared: Prepared,
    kind: str,
    parts: dict[str, list[Found]],
    classes: Sequence[str],
    twins: list[Twin],
    *,
    again: int,
    dropped: int,
    declared: dict[str, bool],
) -> dict[str, Any]:
    """The document of GET /datasets/{ref}/report. `declared` says which options were given."""
    shape = prepared.pixels.shape
    left_out = prepared.left_out
    return {
        "format": kind,
        "images": sum(map(len, parts.values())),
        "left_out": {"count": len(left_out), "files": [_file(each) for each in left_out[:SHOWN]]},
        "size": [shape[2], shape[3]],
        "size_was": "declared" if declared["size"] else "chosen",
        "color": prepared.chosen.color,
        "color_was": "declared" if declared["color"] else "found",
        "fit": prepared.chosen.fit,
        "ground": prepared.chosen.ground,
        "classes": _classes(prepared.pixels, parts, classes),
        "duplicates": {
            "within_training": again,
            "across": [_twin(each) for each in twins[:SHOWN]],
            "across_count": len(twins),
            "dropped": dropped,
        },
        "warnings": _warnings(parts, classes, twins, dropped, left_out),
    }


def _file(each: LeftOut) -> dict[str, str]:
    return {"name": each.name, "reason": each.reason}


def _twin(each: Twin) -> dict[str, Any]:
    kind = "exact" if each.distance is None else "near"
    distance = each.distance or 0
    return {
        "train": each.training.name,
        "test": each.other.name,
        "kind": kind,
        "distance": distance,
    }


def _classes(
    pixels: NDArray[np.uint8], parts: dict[str, list[Found]], classes: Sequence[str]
) -> list[dict[str, Any]]:
    of_class: dict[str, list[Found]] = {name: [] for name in classes}
    for each in parts["train"]:
        of_class[each.label].append(each)
    counts = {part: _counted(found, classes) for part, found in parts.items()}
    shown = []
    for name in classes:
        told = {"name": name, **{part: counts[part][name] for part in parts}}
        members = of_class[name]
        pictures = len(classes) <= FEW_CLASSES and bool(members)
        told["mean_image"] = _picture(_mean(pixels, members)) if pictures else None
        told["examples"] = [
            _picture(pixels[each.row]) for each in (members[:EXAMPLES] if pictures else [])
        ]
        shown.append(told)
    return shown


def _counted(found: list[Found], classes: Sequence[str]) -> dict[str, int]:
    counts = dict.fromkeys(classes, 0)
    for each in found:
        counts[each.label] += 1
    return counts


def _mean(pixels: NDArray[np.uint8], members: list[Found]) -> NDArray[np.uint8]:
    total = np.zeros(pixels.shape[1:], np.int64)
    for each in members:
        total += pixels[each.row]
    return (total / len(members)).round().astype(np.uint8)


def _picture(pixels: NDArray[np.uint8]) -> str:
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image.thumbnail((MOST_SIDE, MOST_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _warnings(
    parts: dict[str, list[Found]],
    classes: Sequence[str],
    twins: list[Twin],
    dropped: int,
    left_out: list[LeftOut],
) -> list[str]:
    training = _counted(parts["train"], classes)
    test = _counted(parts["test"], classes)
    warnings = []
    if few := [name for name in classes if training[name] < FEW_EXAMPLES]:
        warnings.append(
            f"Fewer than {FEW_EXAMPLES} training pictures: {_some(few)}. Bring more of these."
        )
    if untested := [name for name in classes if not test[name]]:
        warnings.append(f"No test picture: {_some(untested)}. How well these do is not measured.")
    if twins and not dropped:
        warnings.append(
            f"{len(twins)} training pictures are in another part, too: the test looks better than "
            "it is. Send the file again with deduplicate, or remove them."
        )
    if left_out:
        warnings.append(f"{len(left_out)} files were left out; the first is {left_out[0].name}.")
    return warnings


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
