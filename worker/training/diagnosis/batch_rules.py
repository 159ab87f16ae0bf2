"""Faults of the batch size. Each threshold's source is in docs/diagnosis.md."""

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding
from worker.training.diagnosis.rate_rules import highest_bearable

BELOW_LARGE_DIVERGENCE = 2.0
"""Ratio between the rate where the loss explodes and the highest rate that still trains. It is for
large batches: their range tests are less noisy."""
FEW_STEPS, FEW_IN_AN_EPOCH = 200, 12
"""Most steps of a short run, and of a short epoch."""
FEWEST_IN_AN_EPOCH = 8
"""Least steps that an epoch has with the batch size that is suggested."""
LARGE_BATCH = 64
"""Batches from this size on may be too large."""
MANY_IMAGES = 10_000
"""Images from which on an epoch has enough steps even with large batches."""
SMALL_BATCH = 8
"""Batches up to this size may be too small."""


def batch_too_small(case: Case) -> Finding | None:
    """A rate that larger batches would bear."""
    own, large = case.own_range, case.large_range
    size, rate = case.spec.training.batch_size, case.first_rate
    if own is None or large is None or size > SMALL_BATCH or not case.does_badly:
        return None
    bound = max(highest_bearable(large), (large.diverges_at or 0.0) / BELOW_LARGE_DIVERGENCE)
    if not highest_bearable(own) < rate <= bound:
        return None
    evidence = [
        Evidence("batch size", size, "below", SMALL_BATCH + 1, "images in a mini-batch"),
        Evidence(
            "learning rate",
            rate,
            "above",
            highest_bearable(own),
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
