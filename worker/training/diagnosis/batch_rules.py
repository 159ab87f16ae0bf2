"""Faults of the batch size. Each threshold's source is in docs/diagnosis.md."""

import math

from app.codes import FindingCode, Severity
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Change, Evidence, Finding
from worker.training.diagnosis.rate_rules import TOO_LOW, highest_bearable

BELOW_LARGE_DIVERGENCE = 2.0
"""Ratio between the rate where the loss explodes and the highest rate that still trains. It is for
large batches: their range tests are less noisy."""
FEW_STEPS, FEW_IN_AN_EPOCH = 200, 12
"""Most steps of a short run, and of a short epoch."""
FEWEST_IN_AN_EPOCH = 8
"""Least steps that an epoch has with the batch size that is suggested."""
LARGE_BATCH = 64
"""Batches from this size on may be too large; smaller ones are compared with it."""
MANY_IMAGES = 10_000
"""Images from which on an epoch has enough steps even with large batches."""
SMALL_BATCH = 8
"""Batches up to this size may be too small."""


def may_be_too_small(case: Case) -> bool:
    """Whether larger batches should be tried: the run does badly with small ones."""
    return case.does_badly and case.spec.training.batch_size <= SMALL_BATCH


def batch_too_small(case: Case) -> Finding | None:
    """A rate that larger batches bear, by range tests or by a trial."""
    if not may_be_too_small(case):
        return None
    found = [each for each in (_by_range_tests(case), _by_trial(case)) if each is not None]
    if not found:
        return None
    size = case.spec.training.batch_size
    small = Evidence("batch size", size, "below", SMALL_BATCH + 1, "images in a mini-batch")
    evidence = [small, *found]
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
    effect = "the mean of more images is less noisy"
    change = Change("/training/batch_size", LARGE_BATCH, effect)
    advice = "Take larger batches, or a lower rate with these."
    return Finding(
        FindingCode.BATCH_TOO_SMALL, Severity.CRITICAL, case.began, evidence, advice, [change]
    )


def _by_range_tests(case: Case) -> Evidence | None:
    own, large, rate = case.own_range, case.large_range, case.first_rate
    if own is None or large is None or rate < TOO_LOW * (large.recommended or math.inf):
        return None  # larger batches would not learn at this rate either
    bound = max(highest_bearable(large), (large.diverges_at or 0.0) / BELOW_LARGE_DIVERGENCE)
    if not highest_bearable(own) < rate <= bound:
        return None
    meaning = "what a range test bears with these batches; with batches of "
    meaning += f"{large.batch_size} it bears {bound:.2g}"
    return Evidence("learning rate", rate, "above", highest_bearable(own), meaning)


def _by_trial(case: Case) -> Evidence | None:
    trial, ending = case.measured.larger, case.measured.ending
    if trial is None or not case.learned_more(trial):
        return None
    meaning = f"what a fresh copy of the network reached in {trial.steps} steps with batches of "
    meaning += f"{LARGE_BATCH}, at the same rate"
    left = math.inf if ending is None else ending.train_loss or 0.0
    return Evidence("training loss at the end", left, "above", trial.train_loss, meaning)


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
