"""Faults of the pace: learning rate, batch size and number of steps. Each threshold's source is in
docs/diagnosis.md."""

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import ENOUGH, Case
from worker.training.diagnosis.findings import PATIENCE, Change, Evidence, Finding, stopping_early
from worker.training.measurements import RangeTest

TOO_HIGH, TOO_LOW = 4.0, 0.1
"""Times the rate that the range test recommends."""
BELOW_DIVERGENCE, BELOW_LARGE_DIVERGENCE = 4.0, 2.0
"""So many times below the rate at which the loss explodes, training goes on; with large batches, of
which the test is less noisy, the second."""
LARGE_UPDATE = 0.1
"""Share of a layer's weights that one step may change."""
FEW_STEPS, FEW_IN_AN_EPOCH = 200, 12
"""A run, and an epoch, of so few steps has hardly begun."""
FEWEST_IN_AN_EPOCH = 8
"""Smaller batches are suggested where an epoch would have fewer steps yet."""
LARGE_BATCH = 64
"""Batches from this size on may be too large."""
MANY_IMAGES = 10_000
"""Of so many, an epoch has enough steps with batches of that size."""
SMALL_BATCH = 8
"""Batches up to this size may be too small."""
FALLING = 0.03
"""Share of the loss that the last quarter of a run took off, where it was still falling."""
STEEP = 0.2
"""Likewise of the last epoch."""
MORE_STEPS = 4000
"""A run that was stopped too early is given at least so many."""
MOST_EPOCHS = 10_000
"""More a spec may not have."""
RUNAWAY = 1.5
"""Times the loss of chance."""


def batch_too_small(case: Case) -> Finding | None:
    """A rate that larger batches would bear."""
    own, large = case.own_range, case.large_range
    size, rate = case.spec.training.batch_size, case.spec.training.optimizer.lr
    if own is None or large is None or size > SMALL_BATCH or not case.does_badly:
        return None
    bound = max(_bearable(large), (large.diverges_at or 0.0) / BELOW_LARGE_DIVERGENCE)
    if not _bearable(own) < rate <= bound:
        return None
    evidence = [
        Evidence("batch size", size, "below", SMALL_BATCH + 1, "images in a mini-batch"),
        Evidence(
            "learning rate",
            rate,
            "above",
            _bearable(own),
            "what a range test bears with these batches; with batches of "
            f"{large.batch_size} it bears {bound:.2g}",
        ),
    ]
    noise = case.first.noise
    if noise is not None and noise > size:
        evidence.append(
            Evidence(
                "batch size over noise scale",
                size / noise,
                "below",
                1.0,
                "below 1 the gradient of a batch is more noise than signal",
            )
        )
    change = Change(
        "/training/batch_size", large.batch_size, "the mean of more images is less noisy"
    )
    advice = "Take larger batches, or a lower rate with these."
    return Finding(
        FindingCode.BATCH_TOO_SMALL, Severity.CRITICAL, case.began, evidence, advice, [change]
    )


def learning_rate_too_high(case: Case) -> Finding | None:
    """Steps that overshoot."""
    rate, own = case.spec.training.optimizer.lr, case.own_range
    evidence = []
    update = case.update()
    if update is not None and update > LARGE_UPDATE:
        evidence.append(
            Evidence(
                "update ratio",
                update,
                "above",
                LARGE_UPDATE,
                "share of a layer's weights that one step changes; about 0.001 is usual",
            )
        )
    tail = case.loss_between(0.5, 1.0)
    if tail is not None and not tail <= RUNAWAY * case.chance_loss:
        evidence.append(
            Evidence(
                "training loss",
                tail,
                "above",
                RUNAWAY * case.chance_loss,
                f"{RUNAWAY:g} times that of an even guess, in the second half of the run",
            )
        )
    if not case.final:
        wild = len(evidence) == 2 and case.last.step > 50
        return _too_high(case, evidence) if wild else None
    if not case.does_badly:
        return None
    if own is not None and own.recommended is not None:
        if rate <= _bearable(own):
            return None
        meaning = "the highest that a range test bears: its least loss is there, or it explodes at "
        meaning += f"{BELOW_DIVERGENCE:g} times as much"
        evidence.append(Evidence("learning rate", rate, "above", _bearable(own), meaning))
    return _too_high(case, evidence) if evidence else None


def _too_high(case: Case, evidence: list[Evidence]) -> Finding:
    advice = "Lower the rate to what a range test recommends, or to a tenth."
    return Finding(
        FindingCode.LEARNING_RATE_TOO_HIGH,
        Severity.CRITICAL,
        case.began,
        evidence,
        advice,
        _better_rate(case),
    )


def _bearable(test: RangeTest) -> float:
    """The highest rate with which training still goes on."""
    if test.recommended is None:
        return 0.0
    far_below = (test.diverges_at or 0.0) / BELOW_DIVERGENCE
    return max(TOO_HIGH * test.recommended, test.least, far_below)


def batch_too_large(case: Case) -> Finding | None:
    """So few steps that nothing was learned."""
    spec = case.spec
    if not case.does_badly or case.broke:
        return None
    if spec.steps_per_epoch > FEW_IN_AN_EPOCH or case.steps > FEW_STEPS:
        return None
    if spec.training.batch_size < LARGE_BATCH:
        return None
    evidence = [
        Evidence(
            "steps in an epoch",
            spec.steps_per_epoch,
            "below",
            FEW_IN_AN_EPOCH + 1,
            "mini-batches that an epoch has",
        ),
        Evidence("steps", case.steps, "below", FEW_STEPS + 1, "mini-batches of the whole run"),
    ]
    images = spec.dataset.training_images
    size = LARGE_BATCH if images >= MANY_IMAGES else LARGE_BATCH // 2
    size = min(size, max(1, images // FEWEST_IN_AN_EPOCH))
    change = Change("/training/batch_size", size, "many more steps in the same number of epochs")
    advice = "Take smaller batches, or many more epochs."
    return Finding(
        FindingCode.BATCH_TOO_LARGE,
        Severity.CRITICAL,
        case.now,
        evidence,
        advice,
        [change],
        stands_alone=True,
    )


def learning_rate_too_low(case: Case) -> Finding | None:
    """Steps that go nowhere."""
    own = case.own_range
    if not case.does_badly or case.broke or own is None or own.recommended is None:
        return None
    rate = case.spec.training.optimizer.lr
    if rate >= TOO_LOW * own.recommended or case.last_epoch() > STEEP:
        return None
    evidence = [
        Evidence(
            "learning rate",
            rate,
            "below",
            TOO_LOW * own.recommended,
            "a tenth of what a range test recommends",
        )
    ]
    advice = "Raise the rate to what a range test recommends."
    return Finding(
        FindingCode.LEARNING_RATE_TOO_LOW,
        Severity.CRITICAL,
        case.began,
        evidence,
        advice,
        _better_rate(case),
    )


def stopped_too_early(case: Case) -> Finding | None:
    """A loss that was still falling."""
    if not case.final or case.broke:
        return None
    evidence = []
    improvement, last = case.improvement(), case.last_epoch()
    if not case.fits and improvement > FALLING:
        meaning = "share of the training loss that the last quarter of the run took off"
        evidence.append(Evidence("loss still falling", improvement, "above", FALLING, meaning))
    if (case.train_accuracy or 0.0) < ENOUGH and last > STEEP:
        meaning = "share of the training loss that the last epoch took off"
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
        smooth = "the loss shows improvement that the share of right answers does not show yet"
        return [
            Change("/training/early_stopping/metric", "validation_loss", smooth),
            Change("/training/early_stopping/patience", patience, effect),
        ]
    more = min(MOST_EPOCHS, max(4 * training.epochs, min(100, -(-MORE_STEPS // steps))))
    effect = f"{more} passes over the images instead of {training.epochs}"
    changes = [Change("/training/epochs", more, effect)]
    if training.early_stopping is None and case.spec.dataset.validation_images:
        changes.append(stopping_early())
    return changes


def _better_rate(case: Case) -> list[Change]:
    rate = case.spec.training.optimizer.lr
    own = case.own_range
    better = own.recommended if own is not None and own.recommended is not None else rate / 10
    return [Change("/training/optimizer/lr", better, "the rate at which the loss falls fastest")]
