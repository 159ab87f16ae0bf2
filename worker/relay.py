"""What the reports of a run become in the store: progress, events, points of curves, a model."""

from typing import Any

from app.store.events import NewEvent
from app.store.metrics import Point
from app.store.trained_models import TrainedModel
from worker.messages import (
    Checkpoint,
    Diagnosed,
    Epoch,
    Finished,
    Log,
    Report,
    Resumed,
    RunningLoss,
    Started,
    Step,
)

LONG = {"explanation", "advice", "changes"}
"""What an event leaves to the diagnosis."""


def writes(reports: list[Report]) -> dict[str, Any]:
    """Keyword arguments of `store.leases.record` for reports in the order in which they came."""
    happened: list[NewEvent] = []
    points: list[Point] = []
    latest: dict[str, float] = {}
    progress: dict[str, Any] | None = None
    checkpoint: tuple[int, bool, bytes] | None = None
    diagnosis: dict[str, Any] | None = None
    for report in reports:
        match report:
            case Started(environment=environment):
                where = f"{environment['device']}, {environment['threads']} thread(s)"
                happened.append(NewEvent("started", f"training on {where}", environment))
            case Step():
                progress = {name: getattr(report, name) for name in report.__struct_fields__}
            case RunningLoss(epoch, batch, step, loss):
                data = {"epoch": epoch, "batch": batch, "loss": loss}
                happened.append(NewEvent("log", f"[{epoch}, {batch:5d}] loss: {loss:.3f}", data))
                points.append(Point("running_loss", step, epoch, loss))
            case Epoch(epoch, step, seconds, metrics):
                measured = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
                data = {"epoch": epoch, "seconds": seconds, **metrics}
                happened.append(NewEvent("epoch", f"epoch {epoch}: {measured}", data))
                points += [Point(name, step, epoch, value) for name, value in metrics.items()]
                latest |= metrics
            case Resumed(step, differences):
                exactly = "bit-exact" if not differences else "not bit-exact"
                message = f"resumed, {exactly}, from step {step}"
                if differences:
                    message += f": {'; '.join(differences)}"
                kind = "warning" if differences else "resumed"
                happened.append(NewEvent(kind, message, {"step": step, "changed": differences}))
            case Checkpoint(step, best, content):
                checkpoint = step, best or (checkpoint is not None and checkpoint[1]), content
            case Diagnosed(content, new):
                diagnosis = content
                happened += [_found(finding) for finding in new]
            case Log(message):
                happened.append(NewEvent("log", message))
    return {
        "progress": progress,
        "latest": latest,
        "happened": happened,
        "points": points,
        "checkpoint": checkpoint,
        "diagnosis": diagnosis,
    }


def _found(finding: dict[str, Any]) -> NewEvent:
    """A finding as an event: its explanation to read, its facts as data."""
    title, severity = finding["title"], finding["severity"]
    message = f"{title[:1].lower()}{title[1:]} ({severity}): {finding['explanation']}"
    facts = {name: value for name, value in finding.items() if name not in LONG}
    return NewEvent("finding", message, facts)


def model(finished: Finished) -> TrainedModel:
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
