"""Faults of the dataset, which no network can compensate. Each threshold's source is in
docs/diagnosis.md."""

import math

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding

CONSTANT = 0.7
"""Fraction of constant pixel positions above which images hold too little."""
BLANK = 0.03
"""Fraction of blank images above which a dataset is damaged."""
AGREEMENT = 0.62
"""Least fraction of images whose neighbours vote for their label."""
GUESSED = 1.2
"""Pictures of one's own: the same, over the fraction of the most frequent class."""
BETTER = 0.05
"""How much higher than the neighbours' agreement a validation accuracy must be to clear labels."""
CONTRADICTED = 0.07
"""Greatest fraction of images whose neighbours agree on another label."""
ENOUGH_NEIGHBOURS = 30
"""Images of a class from which on neighbours are near enough to judge its labels."""
DOUBTED = 0.02
"""Greatest fraction of training images with another label than nearly all of their neighbours, as
the trained network sees them."""
CLEAR = 0.33
"""Least ratio of their number to that of images whose neighbours disagree. Where classes overlap,
there are many of these; where labels are wrong, neighbours agree on what is right."""
SHIFT = 4.0
"""Greatest distance of the mean images, over the distance that chance gives."""
INPUT = 4.0
"""Greatest root mean square of the inputs; normalized inputs have 1."""


def broken_features(case: Case) -> Finding | None:
    """Pixels that never change, or images without content."""
    inspection = case.measured.inspection
    if inspection is None:
        return None
    evidence = []
    if inspection.constant > CONSTANT:
        evidence.append(
            Evidence(
                "constant pixels",
                inspection.constant,
                "above",
                CONSTANT,
                "fraction of the pixel positions that are the same in every training image",
            )
        )
    if inspection.blank > BLANK:
        evidence.append(
            Evidence(
                "blank images",
                inspection.blank,
                "above",
                BLANK,
                "fraction of the training images of which every pixel is the same",
            )
        )
    if not evidence:
        return None
    advice = (
        "Look at some training images, and mend how they were read or cut out. "
        "A specification cannot cure it."
    )
    return Finding(FindingCode.BROKEN_FEATURES, Severity.CRITICAL, case.began, evidence, advice)


def noisy_labels(case: Case) -> Finding | None:
    """Neighbours that contradict the labels."""
    inspection = case.measured.inspection
    if inspection is None or inspection.blank > BLANK:
        return None
    if case.spec.dataset.training_images < ENOUGH_NEIGHBOURS * case.classes:
        return None
    least, facts = AGREEMENT, case.spec.dataset.facts
    if facts.id is not None:
        if _has_learned_more(case, inspection.agreement):
            return None
        least = min(AGREEMENT, GUESSED * max(inspection.shares))
    evidence = []
    if inspection.agreement < least:
        evidence.append(
            Evidence(
                "agreement with neighbours",
                inspection.agreement,
                "below",
                least,
                "fraction of training images whose ten nearest neighbours vote for their label",
            )
        )
    disagree = facts.id is None or inspection.agreement < AGREEMENT  # else classes overlap
    if inspection.contradicted > CONTRADICTED and disagree:
        evidence.append(
            Evidence(
                "contradicted labels",
                inspection.contradicted,
                "above",
                CONTRADICTED,
                "fraction of training images of which at least eight in ten neighbours agree on "
                "another label",
            )
        )
    if not evidence:
        return None
    advice = (
        "Check some labels against their images: a shuffled or shifted list of labels is the usual "
        "reason. A specification cannot cure it."
    )
    return Finding(FindingCode.NOISY_LABELS, Severity.CRITICAL, case.began, evidence, advice)


def _has_learned_more(case: Case, agreement: float) -> bool:
    """Whether a run may have learned more of its labels than the neighbours know.

    Equal digits look alike, pixel by pixel; pictures of one's own need not: neighbours in pixels
    know a third of CIFAR-10's labels, which are sound. There the labels are doubted only once the
    run has ended, and has not done better than the neighbours.
    """
    ending = case.measured.ending
    if not case.final or ending is None or ending.validation_accuracy is None:
        return True
    return ending.validation_accuracy > agreement + BETTER


def mislabelled_examples(case: Case) -> Finding | None:
    """Single training images with wrong labels."""
    ending = case.measured.ending
    if not case.final or ending is None or ending.doubted is None:
        return None
    if ending.doubted <= DOUBTED or ending.doubted <= CLEAR * (ending.unsure or 0.0):
        return None
    if noisy_labels(case) is not None:  # which says more
        return None
    evidence = [
        Evidence(
            "doubtful labels",
            ending.doubted,
            "above",
            DOUBTED,
            "fraction of training images of which at least eight of the ten nearest others, as the "
            "trained network sees them, have one other label",
        )
    ]
    advice = (
        "Look at the twenty most suspicious ones in the model's report (suspects), and correct "
        "those that are wrong. A specification cannot cure it."
    )
    return Finding(
        FindingCode.MISLABELLED_EXAMPLES,
        Severity.WARNING,
        case.began,
        evidence,
        advice,
        stands_alone=True,
    )


def distribution_shift(case: Case) -> Finding | None:
    """Validation or test images that differ from the training images."""
    inspection = case.measured.inspection
    if inspection is None:
        return None
    evidence = [
        Evidence(
            f"distance of the {name} images",
            distance,
            "above",
            SHIFT,
            "squared distance of the mean images, over what chance gives",
        )
        for name, distance in inspection.shift.items()
        if distance > SHIFT
    ]
    if not evidence:
        return None
    advice = (
        "Prepare both in the same way: same source, cropping and colours; or train on images like "
        "those that are to be predicted. A specification cannot cure it."
    )
    return Finding(FindingCode.DISTRIBUTION_SHIFT, Severity.CRITICAL, case.began, evidence, advice)


def inputs_not_normalized(case: Case) -> Finding | None:
    """Pixels that reach the network as they are."""
    inspection = case.measured.inspection
    if inspection is None:
        return None
    size = math.hypot(inspection.mean, inspection.std)
    if size <= INPUT:
        return None
    evidence = [
        Evidence(
            "size of the inputs",
            size,
            "above",
            INPUT,
            "root mean square of what the network sees of a pixel; 1 when normalized",
        )
    ]
    change = Change(
        "/dataset/normalization", "standard", "pixels reach the network with mean 0, deviation 1"
    )
    advice = "Subtract the mean of the pixels and divide by their deviation."
    return Finding(
        FindingCode.INPUTS_NOT_NORMALIZED, Severity.WARNING, case.began, evidence, advice, [change]
    )
