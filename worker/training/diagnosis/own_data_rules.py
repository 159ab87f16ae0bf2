"""Faults of one's own data, as its import has found them. They explain nothing else, and nothing
explains them. Each threshold's source is in docs/diagnosis.md."""

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Evidence, Finding

DUPLICATES = 0.02
"""Number of training images with a double in another part, over that of the test images."""
FEW = 20
"""Training images of a class below which it has few."""
WORSE = 0.1
"""By how much its recall must be below the accuracy to be worse than the others."""


def duplicates_across_parts(case: Case) -> Finding | None:
    """Training images that measure the network, too, as the import has found them."""
    facts = case.spec.dataset.facts
    fraction = facts.duplicates / max(1, facts.test_images + facts.validation_images)
    if fraction <= DUPLICATES:
        return None
    evidence = [
        Evidence(
            "training images with a double in another part",
            fraction,
            "above",
            DUPLICATES,
            f"their number, {facts.duplicates}, over that of the images of the other parts",
        )
    ]
    ref = f"{case.spec.dataset.name}@{facts.version}"
    advice = (
        f"GET /datasets/{ref}/report names them. Remove them, or send the file again with "
        "deduplicate, and train on the new version. A specification cannot cure it."
    )
    return Finding(
        FindingCode.DUPLICATES_ACROSS_PARTS,
        Severity.WARNING,
        case.began,
        evidence,
        advice,
        stands_alone=True,
    )


def target_leakage(case: Case) -> Finding | None:
    """Columns that tell the class by themselves."""
    facts = case.spec.dataset.facts
    if not facts.revealing:
        return None
    evidence = [
        Evidence(
            "columns that tell the class",
            float(len(facts.revealing)),
            "above",
            0.0,
            "alone, from half of the training rows to the other half, with at least 99% right: "
            + ", ".join(facts.revealing),
        )
    ]
    advice = (
        "Ask whether this is known where the model will be used. If not, send the file again with "
        + ", ".join(f'"{name}": "ignore"' for name in facts.revealing[:3])
        + " in table.columns, and train on the new version. A specification cannot cure it."
    )
    return Finding(
        FindingCode.TARGET_LEAKAGE,
        Severity.WARNING,
        case.began,
        evidence,
        advice,
        stands_alone=True,
    )


def few_examples(case: Case) -> Finding | None:
    """A class with few training images that is recognized worse than the others."""
    inspection, ending = case.measured.inspection, case.measured.ending
    facts = case.spec.dataset.facts
    if facts.id is None or inspection is None or ending is None or not case.final:
        return None
    accuracy = ending.validation_accuracy
    count, recall = min(
        (round(share * case.spec.dataset.training_images), recall)
        for share, recall in zip(inspection.shares, ending.recalls, strict=True)
    )
    if count >= FEW or accuracy is None or recall < 0 or recall >= accuracy - WORSE:
        return None
    evidence = [
        Evidence(
            "training images of the rarest class",
            float(count),
            "below",
            float(FEW),
            f"of its validation images {recall:.0%} are recognized, of all {accuracy:.0%}",
        )
    ]
    ref = f"{case.spec.dataset.name}@{facts.version}"
    advice = (
        f"GET /datasets/{ref}/report counts each class: bring more of the rare ones, some fifty, "
        "or leave them out. A specification cannot cure it."
    )
    return Finding(
        FindingCode.FEW_EXAMPLES,
        Severity.WARNING,
        case.began,
        evidence,
        advice,
        stands_alone=True,
    )
