"""Pictures that are there twice: the same pixels, or nearly the same to the eye.

A picture that trains and tests makes the test look better than it is. Near duplicates have nearly
the same perceptual hash, which knows no colours, and nearly the same pixels: the one finds them
among many, the other tells the flags of two countries apart.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.imports.pictures import Found

NEAR_BITS = 8
"""Most bits of 64 in which the perceptual hashes of near duplicates differ."""
NEAR_PIXELS = 8.0
"""Most by which their pixels differ in the mean, from 0 to 255."""
AT_ONCE = 2**22
"""Pairs that are compared together."""


Pixels = NDArray[np.uint8]


class Twin(NamedTuple):
    """A picture of the training part and its double in another part."""

    training: Found
    other: Found
    distance: int | None
    """Bits in which their perceptual hashes differ; None where the pixels are equal."""


def across(parts: dict[str, list[Found]], pixels: Pixels) -> list[Twin]:
    """Each training picture that is in another part, too, with a double of it there.

    `pixels` are those of all pictures, uint8 (N, C, H, W).
    """
    others = parts["test"] + parts["validation"]
    exact = {each.digest: each for each in reversed(others)}
    training = parts["train"]
    twins = [Twin(each, exact[each.digest], None) for each in training if each.digest in exact]
    rest = [each for each in training if each.digest not in exact]
    return twins + _near(rest, others, pixels)


def within(training: list[Found]) -> list[Found]:
    """Training pictures of which the same pixels, under the same label, came before."""
    seen: set[tuple[str, str]] = set()
    again = []
    for each in training:
        if (each.digest, each.label) in seen:
            again.append(each)
        seen.add((each.digest, each.label))
    return again


def _near(training: list[Found], others: list[Found], pixels: Pixels) -> list[Twin]:
    if not training or not others:
        return []
    theirs = np.array([each.look for each in others], np.uint64)
    twins = []
    rows = max(1, AT_ONCE // len(theirs))
    for start in range(0, len(training), rows):
        some = training[start : start + rows]
        ours = np.array([each.look for each in some], np.uint64)
        distances = _ones(ours[:, None] ^ theirs[None, :])
        for each, distance in zip(some, distances, strict=True):
            for index in np.flatnonzero(distance <= NEAR_BITS):
                if _difference(pixels[each.row], pixels[others[index].row]) <= NEAR_PIXELS:
                    twins.append(Twin(each, others[index], int(distance[index])))
                    break
    return twins


def _difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference of the pixels of two pictures."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def _ones(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits of each word are set."""
    of_bytes = BITS[words.view(np.uint8).reshape(*words.shape, 8)]
    counts: NDArray[np.uint8] = of_bytes.sum(axis=-1, dtype=np.uint8)
    return counts


BITS = np.array([number.bit_count() for number in range(256)], np.uint8)
"""How many bits of each byte are set; NumPy's own bitwise_count came with 2.0."""
