"""Underfitting, overfitting, too many epochs. Each threshold's source is in docs/diagnosis.md."""

import math

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding, stopping_early

WIDTH = 128
"""Units that a layer is given where it is too narrow."""
WIDEST = 8192
"""Most units that a layer may have."""
DROPOUT = 0.6
DECAY = 0.02
SMOOTHING = 0.5
"""Regularization above these is strong."""
UNEVEN = 20.0
"""Ratio of two class weights from which on the class with the lower one is neglected."""
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
GOOD_ENOUGH = 0.005
"""A validation accuracy this near to the best is as good."""
NOTHING_LEFT = 0.01
"""Ratio of the training loss to that of guessing below which there is nothing left to learn."""
WORSE = 1.3
"""Ratio of the last validation loss to the least above which it is evidence."""


def held_back(case: Case) -> Finding | None:
    """Underfitting by the specification: a layer too narrow, or too much regularization."""
    if not case.does_badly or case.broke:
        return None
    model, training = case.spec.model, case.spec.training
    found: list[tuple[Evidence, Change]] = []
    narrowest = min(model.hidden, default=case.classes)
    if narrowest < case.classes / 2:
        meaning = (
            "units of the narrowest layer: all that distinguishes the classes passes through them"
        )
        evidence = Evidence("narrowest layer", narrowest, "below", case.classes / 2, meaning)
        wider = [max(WIDTH, units) for units in model.hidden]
        found.append(
            (evidence, Change("/model/hidden", wider, "room for what distinguishes the classes"))
        )
    if model.dropout > DROPOUT:
        evidence = Evidence(
            "dropout",
            model.dropout,
            "above",
            DROPOUT,
            "fraction of the units that each step leaves out",
        )
        found.append((evidence, Change("/model/dropout", 0.2, "most units take part in each step")))
    decay = training.optimizer.weight_decay
    limit = DECAY * (10 if training.optimizer.name == "adamw" else 1)
    if decay > limit:
        evidence = Evidence("weight decay", decay, "above", limit, "pull of the weights to zero")
        effect = "nothing pulls the weights to zero"
        found.append((evidence, Change("/training/optimizer/weight_decay", 0.0, effect)))
    smoothing = training.loss.label_smoothing
    if smoothing > SMOOTHING:
        evidence = Evidence(
            "label smoothing",
            smoothing,
            "above",
            SMOOTHING,
            "probability that is taken from the label",
        )
        effect = "the label has most of the probability"
        found.append((evidence, Change("/training/loss/label_smoothing", 0.05, effect)))
    if (weights := _uneven_weights(case)) is not None:
        found.append(weights)
    if not found:
        return None
    return Finding(
        FindingCode.UNDERFITTING,
        Severity.CRITICAL,
        case.now,
        [_accuracy(case), *(evidence for evidence, _ in found)],
        _held_back_advice([change.pointer for _, change in found]),
        [change for _, change in found],
        stands_alone=True,
    )


def _held_back_advice(pointers: list[str]) -> str:
    advice = "Give the layers more units, and regularize less."
    if "/training/loss/class_weights" not in pointers:
        return advice
    weights = "Let every class count in the loss."
    return weights if len(pointers) == 1 else f"{advice} {weights}"


def _uneven_weights(case: Case) -> tuple[Evidence, Change] | None:
    """Class weights that make the loss of some classes count for almost nothing."""
    weights, inspection = case.spec.training.loss.class_weights, case.measured.inspection
    if not isinstance(weights, list) or inspection is None:
        return None
    counts = [weight * share for weight, share in zip(weights, inspection.shares, strict=True)]
    if not min(counts):
        meaning = "what the least weighted class counts in the loss: it is not learned"
        evidence = Evidence("least class weight", 0.0, "below", max(counts) / UNEVEN, meaning)
    elif (ratio := max(counts) / min(counts)) > UNEVEN:
        meaning = "what the most weighted class counts in the loss, over what the least one does"
        evidence = Evidence("class weights", ratio, "above", UNEVEN, meaning)
    else:
        return None
    change = Change("/training/loss/class_weights", "balanced", "every class counts the same")
    return evidence, change


def underfitting(case: Case) -> Finding | None:
    """A run that does badly for no reason that another rule knows."""
    if not case.does_badly or case.broke:
        return None
    advice = "Take a larger network: wider layers, or one more."
    if case.spec.model.width is not None:
        width = 2 * case.spec.model.width
        change = Change("/model/width", width, "more channels can distinguish more shapes")
    elif case.spec.model.backbone is not None:
        advice = "Train the backbone further, on your own images, or take larger ones."
        change = Change("/model/frozen", False, "the backbone learns what these images need")
    else:
        hidden = case.spec.model.hidden or [WIDTH // 4]
        wider = [max(WIDTH, min(4 * units, WIDEST)) for units in hidden]
        change = Change("/model/hidden", wider, "more units can distinguish more shapes")
    return Finding(
        FindingCode.UNDERFITTING, Severity.CRITICAL, case.now, [_accuracy(case)], advice, [change]
    )


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


def healthy(case: Case) -> Finding:
    """Nothing was found."""
    evidence = []
    if case.train_accuracy is not None:
        evidence.append(_accuracy(case))
    return Finding(
        FindingCode.HEALTHY, Severity.INFO, case.now, evidence, "Nothing needs to be changed."
    )


def _accuracy(case: Case) -> Evidence:
    return Evidence(
        "training accuracy",
        case.train_accuracy or 0.0,
        "above" if case.fits else "below",
        case.expected,
        "against what the nearest neighbour among the training images reaches on others"
        f" ({case.baseline or 0.0:.1%})",
    )


def _turned(case: Case) -> tuple[int, int]:
    """Epoch and step at which the validation loss was least."""
    curve = [each for each in case.measured.epochs if "validation_loss" in each.metrics]
    if not curve:
        return case.now
    best = min(curve, key=lambda each: each.metrics["validation_loss"])
    return best.epoch, best.step
