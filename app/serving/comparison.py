"""Whether one model is better than another, by their predictions for the same test images.

The predictions are paired: what counts is the images on which the models differ, and there are far
fewer of them than images. Two separate intervals of accuracy would miss most real differences.
"""

from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

LEVEL = 0.95
"""Confidence level of the interval; its complement is what a p-value must be below."""


@dataclass(frozen=True)
class Predictions:
    """True and predicted classes of the test images, both int (N,)."""

    labels: NDArray[np.int16]
    predicted: NDArray[np.int16]

    @classmethod
    def decode(cls, content: bytes) -> "Predictions":
        """The predictions that a training process has stored, a safetensors file."""
        kept = load(content)
        return cls(kept["labels"], kept["predicted"])


@dataclass(frozen=True)
class Recall:
    """Fraction of a class' images that each model finds; None where the class has no images."""

    images: int
    a: float | None
    b: float | None


@dataclass(frozen=True)
class Comparison:
    """Model b against model a on `images` test images; differences are b minus a."""

    images: int
    correct_a: int
    correct_b: int
    only_a: int
    """Images on which a is correct and b is not."""
    only_b: int
    """Images on which b is correct and a is not."""
    recalls: list[Recall]

    @property
    def difference(self) -> float:
        """Accuracy of b minus accuracy of a."""
        return (self.only_b - self.only_a) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the difference."""
        return difference_interval(self.only_a, self.only_b, self.images)

    @property
    def p_value(self) -> float:
        """McNemar's exact test."""
        return mcnemar(self.only_a, self.only_b)

    @property
    def verdict(self) -> str:
        """What the figures say, in a sentence."""
        p = self.p_value
        if p >= 1 - LEVEL:
            result = "no difference can be seen"
        else:
            result = f"{'b' if self.only_b > self.only_a else 'a'} is better"
        low, high = (100 * bound for bound in self.interval)
        told = f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"
        return (
            f"{result}: b is right on {self.correct_b} of {self.images} test images, a on "
            f"{self.correct_a}, a difference of {100 * self.difference:+.2f} percentage points "
            f"({low:+.2f} to {high:+.2f}), {told}."
        )


def compare(a: Predictions, b: Predictions, classes: int) -> Comparison:
    """Compares the predictions of two models for the same images, of the same labels."""
    correct_a, correct_b = a.predicted == a.labels, b.predicted == b.labels
    images = np.bincount(a.labels, minlength=classes)
    found_a = np.bincount(a.labels[correct_a], minlength=classes)
    found_b = np.bincount(a.labels[correct_b], minlength=classes)
    return Comparison(
        images=len(a.labels),
        correct_a=int(correct_a.sum()),
        correct_b=int(correct_b.sum()),
        only_a=int((correct_a & ~correct_b).sum()),
        only_b=int((correct_b & ~correct_a).sum()),
        recalls=[
            Recall(
                int(n), float(of_a) / float(n) if n else None, float(of_b) / float(n) if n else None
            )
            for n, of_a, of_b in zip(images, found_a, found_b, strict=True)
        ],
    )


def difference_interval(only_a: int, only_b: int, images: int) -> tuple[float, float]:
    """The 95% interval of a difference of paired proportions, b minus a.

    The adjusted Wald interval ("Wald+2"): half an image is added to each of the four cells. It
    holds its level where the plain Wald interval does not. Agresti and Min, "Simple improved
    confidence intervals for comparing matched proportions", Statistics in Medicine 24, 2005.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    n, difference, discordant = images + 2, only_b - only_a, only_a + only_b + 1
    spread = z * sqrt(discordant - difference**2 / n) / n
    return max(-1.0, difference / n - spread), min(1.0, difference / n + spread)


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided p-value of McNemar's exact test.

    Were the models equally good, each image on which just one of them is correct would be either's
    with even odds: the smaller count is binomial. McNemar, "Note on the sampling error of the
    difference between correlated proportions or percentages", Psychometrika 12, 1947.
    """
    few, all_ = min(only_a, only_b), only_a + only_b
    if 2 * few == all_:
        return 1.0
    # P(X <= few): its last and largest term, times the sum of every term's ratio to it
    largest = lgamma(all_ + 1) - lgamma(few + 1) - lgamma(all_ - few + 1) - all_ * log(2)
    ratio = total = 1.0
    for count in range(few, 0, -1):
        ratio *= count / (all_ - count + 1)
        total += ratio
    return min(1.0, 2 * exp(largest) * total)
