"""Faults of the signals in the network: activations and gradients. Each threshold's source is in
docs/diagnosis.md."""

import math
from dataclasses import replace

from app.codes import FindingCode, Severity
from app.jobspec import JobSpec
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding
from worker.training.measurements import Reading

SPREAD = 1e-3
"""Units that differ by less are copies of each other; randomly drawn ones differ by about 1."""
LOGITS = 8.0
"""Standard deviation of the outputs before the first step that is too large; about 1 is good."""
VANISHED = 2e-3
"""Ratio of the first layers' relative gradient to that of the last below which it has vanished."""
DEAD = 0.5
"""Fraction of a layer's units that may be zero for every image."""
SATURATED = 0.5
"""Fraction of a layer's values in the flat ends of its activation above which it is evidence."""
ACTIVATIONS_THAT_VANISH = {"sigmoid", "tanh"}
ADVICE = "Draw the weights so that each layer keeps the size of its signal (He, Glorot), and let "
ADVICE += "biases start at zero."
REVIVE = "Start biases at zero, lower the rate, or let units leak (leaky_relu)."


def bad_initialization(case: Case) -> Finding | None:
    """Equal units, or a shallow network whose first outputs are extreme."""
    if len(case.first.layers) == 1:
        return None
    hidden = case.first.layers[:-1]
    evidence = []
    spread = min((layer.spread for layer in hidden), default=1.0)
    if spread < SPREAD:
        evidence.append(
            Evidence(
                "difference between units",
                spread,
                "below",
                SPREAD,
                "deviation between the units' initial weights, over their mean size",
            )
        )
    elif _starts_extreme(case) and len(hidden) < 2:
        evidence.append(_extreme(case))
    if not evidence:
        return None
    changes = _initialized()
    return Finding(
        FindingCode.BAD_INITIALIZATION, Severity.CRITICAL, case.began, evidence, ADVICE, changes
    )


def exploding_gradients(case: Case) -> Finding | None:
    """A deep network whose first outputs, and so its gradients, are enormous."""
    if not _starts_extreme(case) or len(case.first.layers) < 3:
        return None
    largest = max(layer.gradient for layer in case.first.layers)
    meaning = "greatest of all layers, before the first step"
    evidence = [_extreme(case), Evidence("gradient norm", largest, "above", None, meaning)]
    changes = _initialized()
    return Finding(
        FindingCode.EXPLODING_GRADIENTS, Severity.CRITICAL, case.began, evidence, ADVICE, changes
    )


def dead_from_the_start(case: Case) -> Finding | None:
    """ReLUs that the initial biases keep at zero."""
    return _dead(case.spec, case.first)


def dead_relus(case: Case) -> Finding | None:
    """ReLUs that died in training."""
    if case.fits:
        return None
    found = _dead(case.spec, case.last)
    readings = case.measured.readings
    began = next((each for each in readings if _fraction_dead(each) > DEAD), case.last)
    return found and replace(found, since=(began.epoch, began.step))


def vanishing_gradients(case: Case) -> Finding | None:
    """First layers that hardly any gradient reaches."""
    spec = case.spec
    if case.fits:
        return None
    ratio = _back(case.first)  # later on, other faults have this symptom, too
    if ratio is None or ratio >= VANISHED:
        return None
    if not case.final and len(case.measured.readings) < 3:
        return None
    evidence = [
        Evidence(
            "gradient of the first layers",
            ratio,
            "below",
            VANISHED,
            "their gradient over their weights, divided by the same of the last layer",
        )
    ]
    saturated = max((each.saturated for each in case.first.activations), default=0.0)
    if saturated > SATURATED:
        evidence.append(
            Evidence(
                "saturated values",
                saturated,
                "above",
                SATURATED,
                "fraction of a layer's values in the flat ends of its activation",
            )
        )
    changes = []
    if spec.model.activation in ACTIVATIONS_THAT_VANISH:
        effect = "its derivative is 1 wherever a unit is active, so that gradients keep their size"
        changes = [Change("/model/activation", "relu", effect), *_initialized()]
    elif not spec.model.batch_norm:
        changes = [_normalized()]
    advice = "Take ReLU instead of sigmoid or tanh, or fewer layers, or batch normalization."
    return Finding(
        FindingCode.VANISHING_GRADIENTS, Severity.CRITICAL, case.began, evidence, advice, changes
    )


def non_finite(case: Case) -> Finding | None:
    """The first number that was infinite or not a number."""
    found = case.measured.non_finite
    if found is None:
        return None
    evidence = [
        Evidence(
            f"not finite: {found.where}",
            float("nan"),
            "above",
            None,
            f"first seen at step {found.step} of epoch {found.epoch}",
        )
    ]
    advice = "Try a lower rate, gradient clipping, or float32; where the rate is low, look at the "
    advice += "data and the machine."
    changes = []
    if case.spec.training.precision != "float32":
        changes = [Change("/training/precision", "float32", "more digits for every sum")]
    return Finding(
        FindingCode.NON_FINITE,
        Severity.CRITICAL,
        (found.epoch, found.step),
        evidence,
        advice,
        changes,
    )


def _starts_extreme(case: Case) -> bool:
    return not case.first.logits <= _bound_of_outputs(case)


def _bound_of_outputs(case: Case) -> float:
    """Grows with the inputs, for large inputs make large outputs whatever the weights are."""
    if case.measured.inspection is not None:
        size = case.measured.inspection.std
    else:
        size = math.inf if case.spec.dataset.normalization == "none" else 1.0
    return LOGITS * max(1.0, size)


def _extreme(case: Case) -> Evidence:
    return Evidence(
        "size of the first outputs",
        case.first.logits,
        "above",
        _bound_of_outputs(case),
        "their standard deviation before the first step; about 1 is a good start",
    )


def _back(reading: Reading) -> float | None:
    """Least relative gradient of the other layers, over that of the last."""
    if len(reading.layers) < 2 or not reading.layers[-1].relative:
        return None
    return min(layer.relative for layer in reading.layers[:-1]) / reading.layers[-1].relative


def _fraction_dead(reading: Reading) -> float:
    """Fraction of dead units in the layer that has most of them."""
    return max((each.dead for each in reading.activations), default=0.0)


def _dead(spec: JobSpec, reading: Reading) -> Finding | None:
    dead = _fraction_dead(reading)
    if dead <= DEAD:
        return None
    evidence = [
        Evidence(
            "dead units",
            dead,
            "above",
            DEAD,
            "fraction of a hidden layer's units that are zero for each of 128 training images",
        )
    ]
    since = reading.epoch, reading.step
    return Finding(
        FindingCode.DEAD_RELUS, Severity.CRITICAL, since, evidence, REVIVE, _revived(spec)
    )


def _revived(spec: JobSpec) -> list[Change]:
    if spec.model.initial_bias < 0:
        return [Change("/model/initial_bias", 0.0, "half of the units are active at the start")]
    return [
        Change("/model/activation", "leaky_relu", "units below zero keep a gradient, and recover")
    ]


def _initialized() -> list[Change]:
    """Changes to the initial weights; those that the spec has already are left out later."""
    return [
        Change("/model/initialization", "auto", "weights that keep the size of the signal"),
        Change("/model/initial_bias", 0.0, "no unit starts active or inactive for every image"),
    ]


def _normalized() -> Change:
    return Change(
        "/model/batch_norm", True, "each layer's sums are scaled back to a standard deviation of 1"
    )
