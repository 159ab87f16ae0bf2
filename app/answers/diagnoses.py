"""What the API answers about a run's health, and about the rate to train with."""

from typing import Any, Literal

from pydantic import BaseModel

from app.answers.described import DOCSTRINGS, described
from app.codes import FindingCode, Picture, Severity, Status, Verdict

Point = tuple[float, float | None]
"""A place on a curve; the value is null where it was not a finite number."""


class Since(BaseModel):
    """When a finding began."""

    model_config = DOCSTRINGS

    epoch: int
    """The epoch, from 1."""
    step: int
    """Optimizer steps done by then, counted from the job's start."""


class Evidence(BaseModel):
    """A measurement that supports a finding."""

    model_config = DOCSTRINGS

    name: str
    """What was measured."""
    value: float | None
    """The measured value; null where it was not a finite number."""
    threshold: float | None
    """The value beyond which it is a fault; null where it only adds to other evidence."""
    comparison: Literal["above", "below"]
    """On which side of the threshold the fault lies."""
    meaning: str
    """What the number is, and its unit."""


class Change(BaseModel):
    """One field that a suggestion changes."""

    model_config = DOCSTRINGS

    pointer: str
    """The field of the specification, as a JSON pointer."""
    before: Any
    """Its value now."""
    after: Any
    """The value to try."""
    effect: str
    """What the change does."""


class Finding(BaseModel):
    """One thing that was found about a run."""

    model_config = described("examples.FINDING")

    code: FindingCode
    """The kind of finding, from a closed list."""
    title: str
    """The same in words."""
    severity: Severity
    """`critical`: it cannot learn like this; `warning`: it could do better; `info`: no fault."""
    since: Since
    """When it began."""
    evidence: list[Evidence]
    """The measurements that it rests on, each with its threshold."""
    explanation: str
    """What happens and why, in two sentences."""
    advice: str
    """What to change."""
    symptom_of: FindingCode | None
    """The finding that causes this one, where one does."""
    picture: Picture
    """Which of the run's pictures shows it."""
    suggestion: dict[str, Any] | None
    """A JSON merge patch (RFC 7396) of the specification that should cure it."""
    changes: list[Change]
    """What the suggestion changes, field by field."""


class RateCurve(BaseModel):
    """What a learning-rate range test measured (Smith 2017)."""

    model_config = DOCSTRINGS

    curve: list[Point]
    """Pairs of a learning rate and the smoothed loss there."""
    recommended: float | None
    """The rate to train with; null where the curve has no clear descent."""
    lowest: float
    """Rate of the first mini-batch."""
    highest: float
    """Rate that the last one would have had."""
    steepest: float | None
    """Where the loss fell fastest."""
    diverges_at: float | None
    """Where the loss exploded; null where it did not."""
    advice: str | None = None
    """Which end of the range to move; null unless the best rate may lie beyond it."""


class Diagnosis(BaseModel):
    """What is known of a run's health, and the specification to try next."""

    model_config = described("examples.DIAGNOSIS")

    job: str
    """Id of the job."""
    verdict: Verdict
    """Code of the first finding; `unknown` while nothing is known, `off` where the specification
    turned diagnosis off."""
    final: bool
    """Whether the run has ended, so that the diagnosis does not change any more."""
    step: int
    """Optimizer steps done when it was made."""
    epoch: int
    """The epoch in which it was made; 0 before the first."""
    findings: list[Finding]
    """The cause first; symptoms that it explains come after."""
    suggestion: dict[str, Any] | None
    """The cause's: POST /jobs/{id}/retry {"apply": "suggestion"} runs it."""
    changes: list[Change]
    """What the suggestion changes, field by field."""
    spec: dict[str, Any] | None
    """The whole specification with the suggestion on it; null where there is none."""
    series: dict[str, list[Point]]
    """What was measured over the run: pairs of a step and a value, by name."""
    lr_range: RateCurve | None
    """The range test, where the run made one."""


class RangeTest(BaseModel):
    """A learning-rate range test: the rate grows by a factor each mini-batch (Smith 2017)."""

    model_config = described("examples.RANGE_TEST")

    job: str
    """Id of the job that made the test."""
    of: str | None
    """Id of the job for which it was made."""
    status: Status
    """Where the test is; the figures are there once it has succeeded."""
    lowest: float
    """Rate of the first mini-batch."""
    highest: float
    """Rate that the last one would have."""
    recommended: float | None
    """The rate to train with; null until it is known, or where the curve has no clear descent."""
    steepest: float | None
    """Where the loss fell fastest."""
    diverges_at: float | None
    """Where the loss exploded; null where it did not."""
    advice: str | None = None
    """Which end of the range to move; null unless the best rate may lie beyond it."""
    curve: list[Point]
    """Pairs of a learning rate and the smoothed loss there."""
