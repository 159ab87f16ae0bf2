"""Underfitting, and what holds a network back. Each threshold's source is in docs/diagnosis.md."""

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.duration_rules import STEEP
from worker.training.diagnosis.findings import Change, Evidence, Finding

WIDTH = 128
"""Units that a layer is given where it is too narrow."""
CHANNELS = 32
"""Channels that a convolution is given where it has too few."""
WIDEST = 8192
"""Most units that a layer may have."""
DROPOUT = 0.6
DECAY = 0.02
SMOOTHING = 0.5
"""Regularization above these is strong."""
REGULARIZE_LESS = "Regularize less."
UNEVEN = 20.0
"""Ratio of two class weights from which on the class with the lower one is neglected."""


def held_back(case: Case) -> Finding | None:
    """Underfitting by the specification: narrow layers, strong regularization or augmentation."""
    if not case.does_badly or case.broke:
        return None
    model, training = case.spec.model, case.spec.training
    found: list[tuple[Evidence, Change, str]] = []
    found += _narrow(case)
    if model.dropout > DROPOUT:
        evidence = Evidence(
            "dropout",
            model.dropout,
            "above",
            DROPOUT,
            "fraction of the units that each step leaves out",
        )
        change = Change("/model/dropout", 0.2, "most units take part in each step")
        found.append((evidence, change, REGULARIZE_LESS))
    decay = training.optimizer.weight_decay
    limit = DECAY * (10 if training.optimizer.name == "adamw" else 1)
    if decay > limit:
        evidence = Evidence("weight decay", decay, "above", limit, "pull of the weights to zero")
        effect = "nothing pulls the weights to zero"
        change = Change("/training/optimizer/weight_decay", 0.0, effect)
        found.append((evidence, change, REGULARIZE_LESS))
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
        change = Change("/training/loss/label_smoothing", 0.05, effect)
        found.append((evidence, change, REGULARIZE_LESS))
    if (weights := _uneven_weights(case)) is not None:
        found.append((*weights, "Let every class count in the loss."))
    if (distorted := _distorted(case)) is not None:
        found.append((*distorted, "Distort the images less, or not at all."))
    if not found:
        return None
    return Finding(
        FindingCode.UNDERFITTING,
        Severity.CRITICAL,
        case.now,
        [_accuracy(case), *(evidence for evidence, _, _ in found)],
        " ".join(dict.fromkeys(advice for *_, advice in found)),
        [change for _, change, _ in found],
        stands_alone=True,
    )


def _narrow(case: Case) -> list[tuple[Evidence, Change, str]]:
    """A layer that lets too little pass: of units, or of channels whose means alone go on."""
    model, least = case.spec.model, case.classes / 2
    meaning = "of the narrowest layer: all that distinguishes the classes passes through them"
    effect = "room for what distinguishes the classes"
    found = []
    if model.hidden and min(model.hidden) < least:
        evidence = Evidence(
            "narrowest layer", min(model.hidden), "below", least, f"units {meaning}"
        )
        wider = [max(WIDTH, units) for units in model.hidden]
        change = Change("/model/hidden", wider, effect)
        found.append((evidence, change, "Give the layers more units."))
    channels = model.channels or []
    if model.pool == "global" and channels[-1] < least:
        meaning = f"channels {meaning}, for global pooling leaves the mean of each"
        evidence = Evidence("channels", channels[-1], "below", least, meaning)
        wider = [max(CHANNELS, count) for count in channels]
        found.append((evidence, Change("/model/channels", wider, effect), "Take more channels."))
    return found


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


def _distorted(case: Case) -> tuple[Evidence, Change] | None:
    """Augmentation so strong that the classes can hardly be told apart."""
    trial, ending = case.measured.undistorted, case.measured.ending
    if trial is None or ending is None or case.last_epoch() > STEEP:
        return None
    if not case.learned_more(trial):
        return None
    meaning = "what a fresh copy of the network reached without augmentation, in "
    meaning += f"{trial.steps} of {case.steps} steps"
    loss = ending.train_loss or 0.0
    evidence = Evidence("training loss at the end", loss, "above", trial.train_loss, meaning)
    return evidence, Change("/dataset/augment", None, "the images are learned as they are")


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
        "below",
        case.expected,
        "against what the nearest neighbour among the training images reaches on others"
        f" ({case.baseline or 0.0:.1%})",
    )
