"""Faults of the learning rate, and of what changes it: clipping and schedules. Each threshold's
source is in docs/diagnosis.md."""

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import MOSTLY, Case
from worker.training.diagnosis.duration_rules import STEEP
from worker.training.diagnosis.findings import Change, Evidence, Finding
from worker.training.measurements import RangeTest

TOO_HIGH, TOO_LOW = 4.0, 0.1
"""A rate above the first, or below the second, times what a range test recommends is wrong."""
BELOW_DIVERGENCE = 4.0
"""Ratio between the rate where the loss explodes and the highest rate that still trains."""
LARGE_UPDATE = 0.1
"""Fraction of a layer's weights that a step should not exceed."""
RUNAWAY = 1.5
"""Ratio to the loss of guessing from which on a loss has run away."""


def learning_rate_too_high(case: Case) -> Finding | None:
    """Steps that overshoot."""
    rate, own = case.first_rate, case.own_range
    evidence = []
    update = case.update()
    if update is not None and update > LARGE_UPDATE:
        evidence.append(
            Evidence(
                "update ratio",
                update,
                "above",
                LARGE_UPDATE,
                "fraction of a layer's weights that one step changes; about 0.001 is usual",
            )
        )
    tail = case.loss_between(0.5, 1.0)
    bound = RUNAWAY * max(case.chance_loss, case.first.loss)
    if tail is not None and not tail <= bound:
        meaning = f"{RUNAWAY:g} times that of an even guess, or of the first step, in the second "
        meaning += "half of the run"
        evidence.append(Evidence("training loss", tail, "above", bound, meaning))
    if not case.final:
        runs_away = len(evidence) == 2 and case.last.step > 50
        return _too_high(evidence, _better_rate(case)) if runs_away else None
    trial = _better_trial(case)
    evidence += [trial] if trial is not None else []
    if not case.does_badly:
        return _too_high(evidence, [_tenth(case)]) if trial is not None else None
    if own is not None and own.recommended is not None:
        if rate <= highest_bearable(own):
            return _too_high(evidence, [_tenth(case)]) if trial is not None else None
        meaning = "the highest that a range test bears: its least loss is there, or it explodes at "
        meaning += f"{BELOW_DIVERGENCE:g} times as much"
        evidence.append(Evidence("learning rate", rate, "above", highest_bearable(own), meaning))
    return _too_high(evidence, _better_rate(case)) if evidence else None


def _better_trial(case: Case) -> Evidence | None:
    """A fresh copy that reached a lower loss with a lower rate, in fewer steps."""
    trial, ending = case.measured.trial, case.measured.ending
    if trial is None or ending is None or ending.train_loss is None:
        return None
    if trial.train_loss >= min(ending.train_loss, case.chance_loss):
        return None  # it has learned nothing either, and has only moved less
    return Evidence(
        "training loss at the end",
        ending.train_loss,
        "above",
        trial.train_loss,
        f"what a fresh copy of the network reached in {trial.steps} of {case.steps} steps with a "
        f"rate of {trial.rate:.2g}",
    )


def _too_high(evidence: list[Evidence], changes: list[Change]) -> Finding:
    advice = "Lower the rate to what a range test recommends, or to a tenth."
    severity, code = Severity.CRITICAL, FindingCode.LEARNING_RATE_TOO_HIGH
    return Finding(code, severity, (1, 0), evidence, advice, changes)


def highest_bearable(test: RangeTest) -> float:
    """The highest rate with which training still goes on."""
    if test.recommended is None:
        return 0.0
    far_below = (test.diverges_at or 0.0) / BELOW_DIVERGENCE
    return max(TOO_HIGH * test.recommended, test.least, far_below)


def clipping_too_tight(case: Case) -> Finding | None:
    """The rate would do, but gradient clipping leaves too little of each step."""
    own, training = case.own_range, case.spec.training
    if not case.does_badly or case.broke or own is None or own.recommended is None:
        return None
    bound = TOO_LOW * own.recommended
    if training.gradient_clipping is None or case.rate >= bound or training.optimizer.lr < bound:
        return None
    evidence = [
        Evidence(
            "rate that clipping leaves",
            case.rate,
            "below",
            bound,
            f"the learning rate of {training.optimizer.lr:g}, times the fraction of the gradient "
            f"that clipping to a norm of {training.gradient_clipping:g} leaves; the threshold is a "
            "tenth of what a range test without clipping recommends",
        )
    ]
    effect = "each step follows the whole gradient"
    changes = [Change("/training/gradient_clipping", None, effect)]
    if not own.recommended <= training.optimizer.lr <= highest_bearable(own):
        changes += _better_rate(case)
    advice = "Remove gradient clipping, or raise it well above the usual norm of the gradient."
    severity, code = Severity.CRITICAL, FindingCode.CLIPPING_TOO_TIGHT
    return Finding(code, severity, case.began, evidence, advice, changes)


def learning_rate_too_low(case: Case) -> Finding | None:
    """Steps that go nowhere, by the rate itself or by its schedule."""
    own, rate = case.own_range, case.spec.training.optimizer.lr
    if own is None or own.recommended is None:  # the losses of few images may be noise alone
        own = case.large_range
    if not case.does_badly or case.broke or own is None or own.recommended is None:
        return None
    bound = TOO_LOW * own.recommended
    low_steps = case.steps_below(bound)
    if low_steps < MOSTLY or case.last_epoch() > STEEP:
        return None
    if rate < bound:
        meaning = "a tenth of what a range test recommends"
        evidence = [Evidence("learning rate", rate, "below", bound, meaning)]
        advice, changes = "Raise the rate to what a range test recommends.", _better_rate(case)
        if case.steps_below(TOO_LOW * rate) >= MOSTLY:  # the better rate would be starved, too
            changes.append(_no_schedule())
    else:
        meaning = "fraction of the steps for which the schedule kept the rate below "
        meaning += f"{bound:.2g}, a tenth of what a range test recommends"
        evidence = [Evidence("steps with a low rate", low_steps, "above", MOSTLY, meaning)]
        advice = "Leave the schedule out, or let it lower the rate later and less."
        changes = [_no_schedule()]
    severity, code = Severity.CRITICAL, FindingCode.LEARNING_RATE_TOO_LOW
    return Finding(code, severity, case.began, evidence, advice, changes)


def _no_schedule() -> Change:
    return Change("/training/schedule", None, "the rate stays as high as it is set")


def _tenth(case: Case) -> Change:
    rate = float(f"{case.spec.training.optimizer.lr / 10:.2g}")
    return Change("/training/optimizer/lr", rate, "smaller steps do not overshoot")


def _better_rate(case: Case) -> list[Change]:
    own = case.own_range
    if own is None or own.recommended is None:
        own = case.large_range
    if own is None or own.recommended is None:
        return [_tenth(case)]
    effect = "the rate at which the loss falls fastest"
    return [Change("/training/optimizer/lr", own.recommended, effect)]
