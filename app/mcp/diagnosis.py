"""Tools about a run's health: what is wrong with it, and its curves."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

from pydantic import Field

from app.cli.findings import measured
from app.mcp.answers import Answer, rounded
from app.mcp.connection import service
from app.mcp.jobs import JobId
from app.mcp.thinning import thinned


class Finding(Answer):
    """One thing that was found about a run."""

    code: str
    """What it is; resource traind://findings explains the codes."""
    severity: str
    """`critical`: it cannot learn like this; `warning`: it could do better; `info`: no fault."""
    epoch: int
    """The epoch in which it began, from 1."""
    symptom_of: str | None = None
    """The finding that causes it."""
    explanation: str
    """What happens and why."""
    evidence: list[str]
    """Measurements, each with the value beyond which it is a fault, and what it means."""
    advice: str
    """What to change."""


class Change(Answer):
    """One field that the suggestion changes."""

    field: str
    """JSON pointer into the specification."""
    before: Any
    """Its value now."""
    after: Any
    """The value to try."""
    effect: str
    """What the change does."""


class Diagnosis(Answer):
    """What is wrong with a run, and what to try."""

    job: str
    """Id of the job."""
    verdict: str
    """Code of the first finding; `unknown` while there is none, `off` where none is looked for."""
    final: bool
    """Whether the run has ended, so that this does not change any more."""
    findings: list[Finding]
    """The cause first; symptoms that it explains come after."""
    suggestion: list[Change] | None = None
    """What apply_suggestion would change; absent where nothing is suggested."""
    recommended_learning_rate: float | None = None
    """What a learning-rate range test found, where the run made one."""


class Curve(Answer):
    """A curve of a run, thinned."""

    name: str
    """What was measured: losses are in nats, accuracies from 0 to 1."""
    points: list[tuple[int, float]]
    """Pairs of a step (mini-batches done) and a value; peaks are kept."""
    measured: int
    """How many points there are in full."""
    not_finite_at: int | None = None
    """First step at which the value was infinite or not a number."""


class Curves(Answer):
    """Curves of a run."""

    job: str
    """Id of the job."""
    curves: list[Curve]
    """By name."""


def diagnose_job(job: JobId) -> Diagnosis:
    """Say what is wrong with a run, with the evidence in numbers, and which changes of its
    specification should cure it. Works while it runs and after its end."""
    found = service().diagnosis(job)
    changes = [
        Change(field=change["pointer"], **{name: change[name] for name in CHANGE})
        for change in found["changes"]
    ]
    return Diagnosis(
        job=found["job"],
        verdict=found["verdict"],
        final=found["final"],
        findings=[_finding(each) for each in found["findings"]],
        suggestion=changes or None,
        recommended_learning_rate=found["lr_range"] and rounded(found["lr_range"]["recommended"]),
    )


CHANGE = ("before", "after", "effect")
SHOWN = ("code", "severity", "symptom_of", "explanation", "advice")


def show_curves(
    job: JobId,
    names: Annotated[
        list[str] | None,
        Field(description="Curves to show, such as running_loss, validation_loss; all if absent."),
    ] = None,
    points: Annotated[
        int, Field(ge=2, le=200, description="Most points of a curve; longer ones are thinned.")
    ] = 20,
) -> Curves:
    """Show the curves of a run as few points. diagnose_job reads them for you; look here where you
    want to judge for yourself."""
    every = groupby(service().points(job), itemgetter("name"))
    curves = [_curve(name, each, points) for name, each in every if not names or name in names]
    return Curves(job=job, curves=curves)


def _finding(found: dict[str, Any]) -> Finding:
    return Finding(
        **{name: found[name] for name in SHOWN},
        epoch=found["since"]["epoch"],
        evidence=[measured(each) for each in found["evidence"]],
    )


def _curve(name: str, measures: Iterable[dict[str, Any]], count: int) -> Curve:
    every = list(measures)
    finite = [(each["step"], each["value"]) for each in every if each["value"] is not None]
    broken = (each["step"] for each in every if each["value"] is None)
    kept = [(int(step), rounded(value)) for step, value in thinned(finite, count)]
    return Curve(name=name, points=kept, measured=len(every), not_finite_at=next(broken, None))
