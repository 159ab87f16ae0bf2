"""Paired comparison: against SciPy, by hand, and by how often it is right about made-up models."""

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from scipy.stats import binomtest

from app.serving.comparison import Comparison, Predictions, compare, difference_interval, mcnemar

DISCORDANT = [
    *[(a, b) for a in range(12) for b in range(12)],
    (0, 40), (25, 3), (60, 61), (130, 90), (500, 500), (700, 800), (4000, 4300), (9000, 1000),
]  # fmt: skip


def answers(labels: Any, predicted: Any) -> Predictions:
    return Predictions(np.array(labels, np.int16), np.array(predicted, np.int16))


def counted(only_a: int, only_b: int, images: int = 1000) -> Comparison:
    """A comparison in which both are right on every other image."""
    both = images - only_a - only_b
    return Comparison(images, both + only_a, both + only_b, only_a, only_b, [])


@pytest.mark.parametrize(("only_a", "only_b"), DISCORDANT)
def test_the_p_value_is_that_of_the_binomial_test(only_a: int, only_b: int) -> None:
    both = only_a + only_b
    expected = binomtest(only_a, both, 0.5).pvalue if both else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_mcnemar_by_hand() -> None:
    """One of six: 2 (1 + 6) / 2^6."""
    assert mcnemar(1, 5) == pytest.approx(14 / 64)
    assert mcnemar(5, 1) == mcnemar(1, 5)
    assert mcnemar(0, 0) == 1.0


def test_the_interval_by_hand() -> None:
    """n = 160, 40 and 20 discordant: half an image more in each cell makes 162, 40.5 and 20.5."""
    difference = 20 / 162
    spread = 1.959964 * np.sqrt(40.5 + 20.5 - 20**2 / 162) / 162
    expected = (difference - spread, difference + spread)
    assert difference_interval(20, 40, 160) == pytest.approx(expected, rel=1e-6)
    low, high = difference_interval(40, 20, 160)
    assert (-high, -low) == pytest.approx(expected, rel=1e-6)


def test_the_interval_stays_within_what_a_difference_can_be() -> None:
    assert difference_interval(0, 3, 3)[1] == 1.0
    assert difference_interval(3, 0, 3)[0] == -1.0


@pytest.mark.parametrize(("only_a", "only_b"), [(0.02, 0.02), (0.01, 0.05), (0.3, 0.1), (0.002, 0)])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(
    only_a: float, only_b: float
) -> None:
    chance = np.random.default_rng(5)
    draws = chance.multinomial(360, [only_a, only_b, 1 - only_a - only_b], size=4000)
    holds = 0
    for a, b, _ in draws:
        low, high = difference_interval(int(a), int(b), 360)
        holds += low <= only_b - only_a <= high
    assert holds / len(draws) > 0.94


def test_what_is_compared_by_hand() -> None:
    """Class 0: a finds both, b one. Class 1: a finds none, b both. Class 2 has no images."""
    a = answers([0, 0, 1, 1], [0, 0, 0, 2])
    b = answers([0, 0, 1, 1], [0, 1, 1, 1])
    found = compare(a, b, 3)
    assert (found.images, found.correct_a, found.correct_b) == (4, 2, 3)
    assert (found.only_a, found.only_b) == (1, 2)
    assert found.difference == 0.25
    assert [(each.images, each.a, each.b) for each in found.recalls] == [
        (2, 1.0, 0.5),
        (2, 0.0, 1.0),
        (0, None, None),
    ]


def test_a_model_does_not_differ_from_itself() -> None:
    same = answers([0, 1, 2, 0], [0, 1, 1, 0])
    found = compare(same, same, 3)
    assert (found.only_a, found.only_b, found.difference, found.p_value) == (0, 0, 0.0, 1.0)
    assert found.verdict.startswith("no difference can be seen: b is right on 3 of 4 test images")


def test_the_verdict_names_the_better_model_and_its_evidence() -> None:
    assert counted(3, 25).verdict == (
        "b is better: b is right on 997 of 1000 test images, a on 975, a difference of +2.20 "
        "percentage points (+1.15 to +3.24), p < 0.0001."
    )
    assert counted(25, 8).verdict.startswith("a is better: ")
    assert counted(25, 8).verdict.endswith("p = 0.0046.")
    assert counted(10, 14).verdict.startswith("no difference can be seen: ")


def test_stored_answers_are_read() -> None:
    labels, predicted = np.array([3, 1], np.int16), np.array([3, 2], np.int16)
    confidence = np.array([0.5, 0.25], np.float32)
    kept = save({"labels": labels, "predicted": predicted, "confidence": confidence})
    found = Predictions.decode(kept)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.predicted, predicted)
