"""Classes out of balance. Each threshold's source is in docs/diagnosis.md."""

import math

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding

IMBALANCE = 5.0
"""Greatest ratio of the most frequent class to the rarest."""
NEGLECTED = 0.1
"""Most by which a class' recall may be below that of the most frequent one."""
MISSED = 2
"""Least validation images of rare classes that are not recognized: a single one may be chance."""
HARMLESS, WELL = 0.05, 0.9
"""Balanced weights may lower the mean recall on training images by the first at most, where it is
at least the second; else they must raise it by as much. Rare images that count for many make steps
that differ much, and some rates do not bear that."""


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
    """One class much more frequent than another, where a rare one is neglected by a network that
    has learned, or would learn with balanced weights; or where nothing is known of one."""
    inspection, ending = case.measured.inspection, case.measured.ending
    if not case.final or inspection is None or ending is None or not is_unbalanced(case):
        return None
    neglected, changes = _neglected(case), _weights(case)
    is_known = all(recall >= 0 for recall in ending.recalls)
    if not changes and (not case.fits or (is_known and neglected is None)):
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
    severity, code = Severity.WARNING, FindingCode.CLASS_IMBALANCE
    return Finding(code, severity, case.began, evidence, _advice(case, changes), changes)


def _advice(case: Case, changes: list[Change]) -> str:
    loss, gather = case.spec.training.loss, "Gather more images of the rare classes."
    if changes:
        return "Weigh the classes inversely to their frequency, or gather more of the rare ones."
    if loss.name == "cross_entropy" and loss.class_weights is None and case.measured.balanced:
        return f"{gather} Weights that balance the classes did no good in a trial."
    return gather


def _neglected(case: Case) -> Evidence | None:
    """The rare class that is recognized least, where the most frequent one is recognized better."""
    inspection, ending = case.measured.inspection, case.measured.ending
    if inspection is None or ending is None:
        return None
    most = max(inspection.shares)
    frequent = ending.recalls[inspection.shares.index(most)]
    counts = ending.counts or [MISSED] * len(ending.recalls)
    rare = [
        (recall, count)
        for share, recall, count in zip(inspection.shares, ending.recalls, counts, strict=True)
        if recall >= 0 and share * IMBALANCE < most
    ]
    missed = sum(round((1 - recall) * count) for recall, count in rare)
    least = min((recall for recall, _ in rare), default=frequent)
    if frequent - least <= NEGLECTED or missed < MISSED:
        return None
    return Evidence(
        "recall of a rare class",
        least,
        "below",
        frequent - NEGLECTED,
        "fraction of its images that are recognized; the most frequent class has more",
    )


def bears(recall: float | None, of_the_run: float | None) -> bool:
    """Whether a trial with balanced weights did no harm, or some good, by mean recalls."""
    if recall is None or of_the_run is None:
        return False
    return recall >= of_the_run + (-HARMLESS if of_the_run >= WELL else HARMLESS)


def _weights(case: Case) -> list[Change]:
    """Balanced weights, with a lower rate where only that bears them; none that do harm."""
    trial, ending = case.measured.balanced, case.measured.ending
    if trial is None or ending is None or not bears(trial.recall, ending.train_recall):
        return []
    effect = "every class counts the same in the loss, however few images it has"
    changes = [Change("/training/loss/class_weights", "balanced", effect)]
    if trial.rate < case.spec.training.optimizer.lr:
        effect = "the steps of images that count for many differ more"
        changes.append(Change("/training/optimizer/lr", float(f"{trial.rate:.2g}"), effect))
    return changes
