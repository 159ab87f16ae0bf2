"""Classes of which some have many more images than others. Each threshold's source is in
docs/diagnosis.md."""

import math

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding

IMBALANCE = 5.0
"""Greatest ratio of the most frequent class to the rarest."""
NEGLECTED = 0.1
"""Most by which a class' recall may be below that of the most frequent one."""
HARMLESS = 0.05
"""Most by which balanced weights may lower the mean recall on training images: rare images that
count for many make steps that differ much, and some rates do not bear that."""


def is_unbalanced(case: Case) -> bool:
    """Whether one class is much more frequent than another."""
    inspection = case.measured.inspection
    return inspection is not None and _ratio(inspection.shares) > IMBALANCE


def _ratio(shares: list[float]) -> float:
    return max(shares) / min(shares) if min(shares) else math.inf


def may_be_weighed(case: Case) -> bool:
    """Whether balanced weights should be tried: they are not set, and a class is neglected."""
    loss = case.spec.training.loss
    if loss.name != "cross_entropy" or loss.class_weights is not None or case.broke:
        return False
    return is_unbalanced(case) and _neglected(case) is not None


def class_imbalance(case: Case) -> Finding | None:
    """One class much more frequent than another; at the end only where one is neglected, or where
    nothing is known of one."""
    inspection, ending = case.measured.inspection, case.measured.ending
    if inspection is None or not is_unbalanced(case):
        return None
    neglected = _neglected(case)
    is_known = ending is not None and all(recall >= 0 for recall in ending.recalls)
    if case.final and case.fits and is_known and neglected is None:
        return None
    most = max(inspection.shares)
    meaning = "training images of the most frequent class for one of the rarest"
    ratio = min(_ratio(inspection.shares), 1e9)
    evidence = [Evidence("imbalance", ratio, "above", IMBALANCE, meaning)]
    evidence += [] if neglected is None else [neglected]
    predicted = case.last.answers[inspection.shares.index(most)]
    if predicted > most:
        meaning = (
            "fraction of the training images that are predicted to be of it; the threshold is "
            "its real fraction"
        )
        name = "predictions of the most frequent class"
        evidence.append(Evidence(name, predicted, "above", most, meaning))
    changes = _weights(case)
    severity, code = Severity.WARNING, FindingCode.CLASS_IMBALANCE
    return Finding(code, severity, case.began, evidence, _advice(case, changes), changes)


def _advice(case: Case, changes: list[Change]) -> str:
    if case.spec.training.loss.class_weights is not None:
        return "Gather more images of the rare classes, or leave these out."
    if case.measured.balanced is not None and not changes:
        return (
            "Gather more images of the rare classes. Weights that balance the classes did harm in "
            "a trial: the rare images would count for too many."
        )
    return "Weigh the classes inversely to their frequency, or gather more of the rare ones."


def _neglected(case: Case) -> Evidence | None:
    """The class that is recognized least, where the most frequent one is recognized better."""
    inspection, ending = case.measured.inspection, case.measured.ending
    if inspection is None or ending is None:
        return None
    frequent = ending.recalls[inspection.shares.index(max(inspection.shares))]
    least = min((recall for recall in ending.recalls if recall >= 0), default=frequent)
    if frequent - least <= NEGLECTED:
        return None
    return Evidence(
        "recall of the class recognized least",
        least,
        "below",
        frequent - NEGLECTED,
        "fraction of its images that are recognized; the most frequent class has more",
    )


def _weights(case: Case) -> list[Change]:
    """Balanced weights, with a lower rate where only that bears them; none that do harm."""
    trial, ending = case.measured.balanced, case.measured.ending
    if trial is None or ending is None or trial.recall is None:
        return []
    if trial.recall < (ending.train_recall or 0.0) - HARMLESS:
        return []
    effect = "every class counts the same in the loss, however few images it has"
    changes = [Change("/training/loss/class_weights", "balanced", effect)]
    if trial.rate < case.spec.training.optimizer.lr:
        effect = "the steps of images that count for many differ more"
        changes.append(Change("/training/optimizer/lr", float(f"{trial.rate:.2g}"), effect))
    return changes
