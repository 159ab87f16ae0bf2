"""Overfitting, and epochs that improve nothing. Each threshold's source is in docs/diagnosis.md."""

import math

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding, stopping_early

MEMORIZED = 0.985
"""Training accuracy of a network that has memorized its images."""
GAP = 0.06
"""Most by which training accuracy may exceed validation accuracy."""
FEW_IMAGES = 30
"""Images of each class below which a network memorizes them."""
LATE = 3.0
"""Greatest ratio of the epochs that were trained to those that were needed."""
MANY_EPOCHS = 30
"""Shorter runs are not called too long."""
FEW_TO_COMPARE = 40
"""Validation images below which epochs are not compared: two images would be 5 points and more."""
GOOD_ENOUGH = 0.005
"""A validation accuracy this near to the best is as good."""
NOTHING_LEFT = 0.01
"""Ratio of the training loss to that of guessing below which there is nothing left to learn."""
WORSE = 1.3
"""Ratio of the last validation loss to the least above which it is evidence."""


def overfitting(case: Case) -> Finding | None:
    """Training images that are memorized, so that others are not recognized."""
    train, validation = case.train_accuracy, case.validation_accuracy
    if not case.final or case.broke or train is None or train < MEMORIZED:
        return None
    evidence = []
    images = case.spec.dataset.training_images
    if validation is not None:
        gap = train - validation
        held_out = case.spec.dataset.validation_images
        # two standard errors of an accuracy measured on the validation images
        doubt = 2 * math.sqrt(max(validation * (1 - validation), 0.01) / held_out)
        if gap - doubt > GAP:
            evidence.append(
                Evidence(
                    "gap",
                    gap,
                    "above",
                    GAP + doubt,
                    "training accuracy less validation accuracy, beyond what chance explains",
                )
            )
    each = images / case.classes
    if each < FEW_IMAGES:
        evidence.append(
            Evidence(
                "training images of a class",
                each,
                "below",
                FEW_IMAGES,
                "so few are memorized",
            )
        )
    if not evidence:
        return None
    advice = "Train on more images; where there are none, distort them, use dropout, or stop early."
    return Finding(
        FindingCode.OVERFITTING,
        Severity.WARNING,
        _turned(case),
        evidence,
        advice,
        _restrained(case),
    )


def _restrained(case: Case) -> list[Change]:
    """The first remedy that the spec does not have yet."""
    dataset, model, training = case.spec.dataset, case.spec.model, case.spec.training
    if dataset.limit is not None and dataset.limit < dataset.facts.train_images:
        effect = f"all {dataset.facts.train_images} images of the dataset instead of "
        effect += f"{dataset.training_images}"
        return [Change("/dataset/limit", None, effect)]
    if model.dropout == 0 and (model.hidden or model.kind in ("resnet", "pretrained")):
        return [Change("/model/dropout", 0.3, "no unit can rely on a few others")]
    if dataset.augment is None and not model.frozen:
        effect = "every image is seen a little differently each time"
        return [Change("/dataset/augment", {"shift": 1, "rotation": 10}, effect)]
    return [stopping_early()] if training.early_stopping is None else []


def trained_too_long(case: Case) -> Finding | None:
    """Epochs that improved nothing."""
    epochs = case.measured.epochs
    if not case.final or case.broke or not case.fits:
        return None
    if case.spec.training.epochs < MANY_EPOCHS:
        return None
    if case.spec.dataset.validation_images < FEW_TO_COMPARE:
        return None
    curve = [
        (
            each.epoch,
            each.step,
            each.metrics["validation_loss"],
            each.metrics["validation_accuracy"],
        )
        for each in epochs
        if "validation_loss" in each.metrics
    ]
    if len(curve) < 4 or case.spec.training.early_stopping is not None:
        return None
    best = max(accuracy for *_, accuracy in curve)
    slack = max(GOOD_ENOUGH, 2 / case.spec.dataset.validation_images)
    enough, step = next((e, s) for e, s, _, accuracy in curve if accuracy >= best - slack)
    known = [
        each for each in epochs if each.metrics["train_loss"] < NOTHING_LEFT * case.chance_loss
    ]
    if known and known[0].epoch < enough:
        enough, step = known[0].epoch, known[0].step
    last = curve[-1][0]
    least = min(loss for _, _, loss, _ in curve)
    if last / enough < LATE:
        return None
    evidence = [
        Evidence(
            "epochs over those needed",
            last / enough,
            "above",
            LATE,
            f"after epoch {enough} validation accuracy was within {slack:.1%} of its best, or no "
            "training loss was left",
        )
    ]
    if curve[-1][2] > WORSE * least:
        evidence.append(
            Evidence(
                "validation loss",
                curve[-1][2] / least,
                "above",
                WORSE,
                "at the end, over its least",
            )
        )
    advice = "Stop early, or train for fewer epochs."
    return Finding(
        FindingCode.TRAINED_TOO_LONG,
        Severity.WARNING,
        (enough, step),
        evidence,
        advice,
        [stopping_early()],
    )


def _turned(case: Case) -> tuple[int, int]:
    """Epoch and step at which the validation loss was least."""
    curve = [each for each in case.measured.epochs if "validation_loss" in each.metrics]
    if not curve:
        return case.now
    best = min(curve, key=lambda each: each.metrics["validation_loss"])
    return best.epoch, best.step
