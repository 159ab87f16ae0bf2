"""What an import of a table has found, for people."""

from typing import Any

import numpy as np

from worker.imports.report import Findings, counted, doubles, left_out, warnings
from worker.imports.rows.choosing import Choice
from worker.imports.rows.coding import Coded
from worker.imports.rows.statistics import Measured

EXAMPLES = 2
"""Rows of each class that are shown."""
MANY_CLASSES = 50
"""With more classes no rows are shown."""
LISTED_CATEGORIES = 20
STEPS = 20
"""Numbers whose standard deviation is fewer steps of float32 than these are told apart badly."""


def of_rows(
    findings: Findings,
    choice: Choice,
    measured: list[Measured],
    coded: Coded,
    revealing: list[str],
) -> dict[str, Any]:
    """The document of GET /datasets/{ref}/report."""
    kinds = {"number": "numbers that float32 holds", "date": "dates"}
    doubts = [
        f"In {each.name} {each.odd} values are no {kinds[each.kind]}, and count as missing."
        for each in choice.picked
        if each.odd
    ]
    leaks = [
        f"{name} alone tells the class nearly without a mistake. If it is not known where the "
        "model will be used, declare it to be ignored in table.columns."
        for name in revealing
    ]
    training = [each.row for each in findings.division.parts["train"]]
    coarse = [
        told
        for at, one in enumerate(measured)
        if (told := _coarse(one, np.asarray(coded.values[:, at][training])))
    ]
    return {
        "format": findings.format,
        "rows": sum(map(len, findings.division.parts.values())),
        "left_out": left_out(findings),
        "columns": [
            _column(one, picked.odd, np.asarray(coded.values[:, at][training]))
            for at, (picked, one) in enumerate(zip(choice.picked, measured, strict=True))
        ],
        "dropped": [{"name": each.name, "reason": each.reason} for each in choice.dropped],
        "classes": _classes(findings, measured, coded),
        "duplicates": doubles(findings),
        "warnings": [*warnings(findings), *doubts, *coarse, *leaks],
    }


def _coarse(measured: Measured, values: Any) -> str | None:
    """A warning where float32, in which the network sees numbers, rounds differences away."""
    column = measured.column
    known = values[np.isfinite(values)]
    if column.is_category or column.kind == "date" or not len(known):
        return None
    step = float(np.spacing(np.float32(np.abs(known).max())))
    if step * STEPS <= known.std() or not known.std():
        return None
    return (
        f"The network sees the numbers of {column.name} in steps of {step:g}, and they differ by "
        "little more: subtract the least of them from each."
    )


def _column(measured: Measured, odd: int, values: Any) -> dict[str, Any]:
    """A column and its training rows, and how many of all rows' values are not of its kind."""
    column = measured.column
    trained = measured.trained(values)
    told: dict[str, Any] = {"name": column.name, "kind": column.kind, "odd": odd}
    if not column.is_category:
        told["missing"] = float(np.isnan(trained).mean())
        for name in ("mean", "std", "low", "high"):
            value = getattr(column, name)
            is_day = column.kind == "date" and name != "std"  # a deviation is in days
            told[name] = column.text(value) if is_day else value
        return told
    told["missing"] = float(np.isnan(values).mean())
    counts = np.bincount(trained[trained >= 0].astype(np.int64), minlength=column.width)
    order = sorted(range(len(column.categories)), key=lambda place: -counts[place])
    told["categories"] = [
        {"name": column.categories[place], "train": int(counts[place])}
        for place in order[:LISTED_CATEGORIES]
    ]
    told["category_count"] = len(column.categories)
    told["rare"] = int(counts[len(column.categories)]) if column.has_rare else 0
    return told


def _classes(findings: Findings, measured: list[Measured], coded: Coded) -> list[dict[str, Any]]:
    parts, classes = findings.division.parts, findings.division.classes
    counts = {part: counted(found, classes) for part, found in parts.items()}
    shown: dict[str, list[dict[str, str | None]]] = {name: [] for name in classes}
    for each in parts["train"] if len(classes) <= MANY_CLASSES else []:
        if len(shown[each.label]) < EXAMPLES:
            values = coded.values[each.row]
            shown[each.label].append(
                {
                    one.column.name: one.column.text(float(one.trained(values[at : at + 1])[0]))
                    for at, one in enumerate(measured)
                }
            )
    return [
        {"name": name, **{part: counts[part][name] for part in parts}, "examples": shown[name]}
        for name in classes
    ]
