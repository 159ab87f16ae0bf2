"""A diagnosis as the JSON document that the service keeps and answers."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from app.jobspec import JobSpec, RateRange
from app.jobspec.patch import corrected
from worker.training.diagnosis.findings import ABOUT, Change, Finding
from worker.training.diagnosis.wording import of_rows
from worker.training.measurements import Measurements, RangeTest

Point = tuple[float, float | None]


def document(
    spec: JobSpec,
    findings: list[Finding],
    measured: Measurements,
    now: tuple[int, int],
    *,
    final: bool,
) -> dict[str, Any]:
    """The findings, the first of which is the cause, with what they rest on.

    What is suggested cures the cause and what stands alone; `now` is an epoch and a step.
    """
    was = spec.model_dump(mode="json")
    causes = [each for each in findings[1:] if each.stands_alone]
    needed = [change for each in [*findings[:1], *causes] for change in each.changes]
    needed = _possible(was, needed)
    words = of_rows if spec.dataset.facts.kind == "table" else str
    tried = measured.ranges[0] if measured.ranges else None
    return {
        "final": final,
        "epoch": now[0],
        "step": now[1],
        "findings": [_finding(was, finding, words) for finding in findings],
        "suggestion": patch(needed) or None,
        "changes": _changes(was, needed, words),
        "series": series(measured),
        "lr_range": None if tried is None else _range(tried, RateRange()),
    }


def of_range_test(found: RangeTest, limits: RateRange) -> dict[str, Any]:
    """The document of a range test that is a job of its own."""
    return {
        "final": True,
        "epoch": 1,
        "step": len(found.curve),
        "findings": [],
        "suggestion": None,
        "changes": [],
        "series": {},
        "lr_range": _range(found, limits),
    }


def series(measured: Measurements) -> dict[str, list[Point]]:
    """What was measured, for pictures: for each name, values over steps, classes or pixels."""
    made: dict[str, list[Point]] = {}

    def add(name: str, step: float, value: float | None) -> None:
        finite = value is not None and math.isfinite(value)
        made.setdefault(name, []).append((step, value if finite else None))

    for reading in measured.readings:
        for number, layer in enumerate(reading.layers, 1):
            add(f"gradient norm, layer {number}", reading.step, layer.gradient)
            if layer.update is not None:
                add(f"update ratio, layer {number}", reading.step, layer.update)
        for number, activation in enumerate(reading.activations, 1):
            add(f"dead units, layer {number}", reading.step, activation.dead)
            add(f"saturated values, layer {number}", reading.step, activation.saturated)
        add("prediction entropy", reading.step, reading.entropy)
    for stretch in measured.stretches:
        add("batch loss", stretch.step, stretch.mean)
        add("batch loss, deviation", stretch.step, math.sqrt(stretch.variance))
    if (inspection := measured.inspection) is not None:
        for label, share in enumerate(inspection.shares):
            add("share of class", label, share)
        for label, share in enumerate(inspection.agreements):
            add("label agrees with neighbours", label, share if share >= 0 else None)
        for name, histogram in inspection.pixels.items():
            for value, share in histogram:
                add(f"input pixels, {name}", value, share)
    return made


def patch(changes: list[Change]) -> dict[str, Any]:
    """The changes as a JSON merge patch (RFC 7396)."""
    made: dict[str, Any] = {}
    for change in changes:
        *parts, field = change.pointer.strip("/").split("/")
        inner = made
        for part in parts:
            inner = inner.setdefault(part, {})
        inner[field] = change.after
    return made


def _finding(was: dict[str, Any], finding: Finding, words: Callable[[str], str]) -> dict[str, Any]:
    about = ABOUT[finding.code]
    changes = _possible(was, finding.changes)
    return {
        "code": finding.code,
        "title": words(about.title),
        "severity": finding.severity,
        "since": {"epoch": finding.since[0], "step": finding.since[1]},
        "evidence": [
            asdict(each)
            | {"value": each.value if math.isfinite(each.value) else None}
            | {"name": words(each.name), "meaning": words(each.meaning)}
            for each in finding.evidence
        ],
        "explanation": words(about.explanation),
        "advice": words(finding.advice),
        "symptom_of": finding.symptom_of,
        "picture": about.picture,
        "suggestion": patch(changes) or None,
        "changes": _changes(was, changes, words),
    }


def _possible(was: dict[str, Any], changes: list[Change]) -> list[Change]:
    """Those that change something and, in this order, make a valid spec together."""
    possible: list[Change] = []
    for change in changes:
        if change.after != _value(was, change.pointer) and _is_valid(was, [*possible, change]):
            possible.append(change)
    return possible


def _is_valid(was: dict[str, Any], changes: list[Change]) -> bool:
    try:
        corrected(was, patch(changes))
    except ValidationError:
        return False
    return True


def _changes(
    was: dict[str, Any], changes: list[Change], words: Callable[[str], str]
) -> list[dict[str, Any]]:
    return [
        asdict(each) | {"before": _value(was, each.pointer), "effect": words(each.effect)}
        for each in changes
    ]


def _value(spec: dict[str, Any], pointer: str) -> Any:
    value: Any = spec
    for part in pointer.strip("/").split("/"):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _range(found: RangeTest, limits: RateRange) -> dict[str, Any]:
    return {
        "curve": found.curve,
        "recommended": found.recommended,
        "steepest": found.steepest,
        "diverges_at": found.diverges_at,
        "lowest": limits.lowest,
        "highest": limits.highest,
        "advice": found.advice,
    }
