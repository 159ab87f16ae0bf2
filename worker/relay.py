"""Translates the reports of a run: into one write to the store, and into an outcome."""

from typing import Any

from app.store import outcomes
from app.store.events import NewEvent
from app.store.metrics import Point
from app.store.outcomes import Outcome
from app.store.reported import NewCheckpoint, Reported
from app.store.trained_models import TrainedModel
from worker.messages import (
    Checkpoint,
    Diagnosed,
    Epoch,
    Failed,
    Finished,
    Log,
    Lost,
    Measured,
    Report,
    Resumed,
    RunningLoss,
    Started,
    Step,
    Stopped,
)

TOO_LONG = {"explanation", "advice", "changes"}
"""Parts of a finding that stand in the diagnosis only; an event repeats the others."""


def update(reports: list[Report]) -> Reported:
    """One write for reports in the order in which they came."""
    said = Reported()
    for report in reports:
        match report:
            case Started(environment=environment):
                where = f"{environment['device']}, {environment['threads']} thread(s)"
                said.events.append(NewEvent("started", f"training on {where}", environment))
            case Step():
                said.progress = {name: getattr(report, name) for name in report.__struct_fields__}
            case RunningLoss(epoch, batch, step, loss):
                data = {"epoch": epoch, "batch": batch, "loss": loss}
                said.events.append(NewEvent("log", f"[{epoch}, {batch:5d}] loss: {loss:.3f}", data))
                said.points.append(Point("running_loss", step, epoch, loss))
            case Epoch(epoch, step, seconds, metrics):
                measured = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
                data = {"epoch": epoch, "seconds": seconds, **metrics}
                said.events.append(NewEvent("epoch", f"epoch {epoch}: {measured}", data))
                said.points += [Point(name, step, epoch, value) for name, value in metrics.items()]
                said.metrics |= metrics
            case Resumed(step, differences):
                said.events.append(_resumed(step, differences))
            case Checkpoint(step, content):
                said.checkpoint = NewCheckpoint(step, content)
            case Diagnosed(content, new):
                said.diagnosis = content
                said.events += [_found(finding) for finding in new]
            case Log(message):
                said.events.append(NewEvent("log", message))
    # Workers that Ray has started again measure what they had measured: the newest counts.
    said.points = list({(point.name, point.step): point for point in said.points}.values())
    return said


def outcome(report: Report) -> Outcome | None:
    """How the run ended, if the report is its last word."""
    match report:
        case Finished():
            return outcomes.Succeeded(_model(report))
        case Measured():
            return outcomes.Succeeded(None)
        case Failed(code, message, advice):
            return outcomes.Failed(code, message, advice)
        case Stopped(reason):
            return outcomes.Stopped(reason)
        case Lost(how):
            return outcomes.Died(how)
    return None


def _resumed(step: int, differences: list[str]) -> NewEvent:
    exactly = "bit-exact" if not differences else "not bit-exact"
    message = f"resumed, {exactly}, from step {step}"
    if differences:
        message += f": {'; '.join(differences)}"
    kind = "warning" if differences else "resumed"
    return NewEvent(kind, message, {"step": step, "changed": differences})


def _found(finding: dict[str, Any]) -> NewEvent:
    """A finding as an event: its explanation to read, its facts as data."""
    title, severity = finding["title"], finding["severity"]
    message = f"{title[:1].lower()}{title[1:]} ({severity}): {finding['explanation']}"
    facts = {name: value for name, value in finding.items() if name not in TOO_LONG}
    return NewEvent("finding", message, facts)


def _model(finished: Finished) -> TrainedModel:
    """The model that a run leaves, with its files."""
    return TrainedModel(
        signature=finished.signature,
        metrics=finished.metrics,
        provenance=finished.provenance,
        weights_sha256=finished.weights_sha256,
        files={
            "weights": finished.weights,
            "onnx": finished.onnx,
            "report": finished.report,
            "answers": finished.predictions,
        },
    )
