"""Faults of a run's length: ended while it still improved. Each threshold's source is in
docs/diagnosis.md."""

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import ENOUGH, Case
from worker.training.diagnosis.findings import PATIENCE, Change, Evidence, Finding, stopping_early

FALLING = 0.03
"""The loss still falls if the last quarter of a run took more than this fraction off it."""
STEEP = 0.2
"""The loss falls steeply if the last epoch took more than this fraction off it."""
MORE_STEPS = 4000
"""Least steps that are suggested for a run that was stopped too early."""
MOST_EPOCHS = 10_000
"""A spec may not have more epochs."""


def stopped_too_early(case: Case) -> Finding | None:
    """A loss that was still falling."""
    if not case.final or case.broke:
        return None
    evidence = []
    improvement, last = case.improvement(), case.last_epoch()
    if not case.fits and improvement > FALLING:
        meaning = "fraction of the training loss that the last quarter of the run took off"
        evidence.append(Evidence("loss still falling", improvement, "above", FALLING, meaning))
    if (case.train_accuracy or 0.0) < ENOUGH and last > STEEP:
        meaning = "fraction of the training loss that the last epoch took off"
        evidence.append(Evidence("fall of the last epoch", last, "above", STEEP, meaning))
    if not evidence:
        return None
    advice = (
        "Train for more epochs." if not case.stopped_early else "Let early stopping wait longer."
    )
    return Finding(
        FindingCode.STOPPED_TOO_EARLY, Severity.WARNING, case.now, evidence, advice, _longer(case)
    )


def _longer(case: Case) -> list[Change]:
    training, steps = case.spec.training, case.spec.steps_per_epoch
    if training.early_stopping is not None and case.stopped_early:
        patience = max(PATIENCE, 4 * training.early_stopping.patience)
        effect = f"waits for {patience} epochs without improvement before it ends the run"
        smooth = (
            "the loss shows improvement that the fraction of correct predictions does not show yet"
        )
        return [
            Change("/training/early_stopping/metric", "validation_loss", smooth),
            Change("/training/early_stopping/patience", patience, effect),
            Change("/training/early_stopping/min_delta", 0.0, "every improvement counts"),
        ]
    more = min(MOST_EPOCHS, max(4 * training.epochs, min(100, -(-MORE_STEPS // steps))))
    effect = f"{more} passes over the images instead of {training.epochs}"
    changes = [Change("/training/epochs", more, effect)]
    if training.early_stopping is None and case.spec.dataset.validation_images:
        changes.append(stopping_early(max(PATIENCE, training.epochs // 2)))
    return changes
