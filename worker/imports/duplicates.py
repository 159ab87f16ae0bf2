"""Pictures that are there twice: the same pixels, or nearly the same to the eye.

A picture that trains and tests makes the test look better than it is. Near duplicates have nearly
the same perceptual hash, which knows no colours, and nearly the same pixels: the one finds them
among many, the other tells the flags of two countries apart.

The limits come from the emoji (shared/data/emoji, 32 x 32): of 609,000 pairs across its parts, 225
have hashes within 6 bits, and 17 of these also pixels within 16: 9 that are equal, and 8 like
`guardsman` and `female-guard`. The same limits find 98% of pictures that were enlarged and brought
back, 86% of JPEG at quality 90 and 62% at 75. Hashes alone would call 216 pairs too many equal.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from worker.imports.parts import Divided
from worker.imports.preparing import Found, Pixels

NEAR_BITS = 6
"""Most bits of 64 in which the perceptual hashes of near duplicates differ."""
NEAR_PIXELS = 16.0
"""Most by which their pixels differ: the root of the mean square, from 0 to 255."""
COMPARED = 16
"""Most pictures of other parts whose pixels are compared with those of a training picture: those
with the nearest hashes."""
AT_ONCE = 2**22
"""Pairs of hashes that are compared together."""


class Twin(NamedTuple):
    """A picture of the training part and its double in another part."""

    training: Found
    other: Found
    part: str
    """The part of the other one."""
    distance: int | None
    """Bits in which their perceptual hashes differ; None where the pixels are equal."""


def across(parts: Divided, pixels: Pixels) -> list[Twin]:
    """Each training picture that is in another part, too, with a double of it there.

    `pixels` are those of all pictures, uint8 (N, C, H, W).
    """
    twins = exact(parts)
    equal = {twin.training.row for twin in twins}
    rest = [each for each in parts["train"] if each.row not in equal]
    return twins + _near(rest, _others(parts), pixels)


def exact(parts: Divided) -> list[Twin]:
    """Training examples that equal one of another part, each with that one."""
    there = {each.digest: (each, part) for each, part in reversed(_others(parts))}
    return [
        Twin(each, *there[each.digest], None) for each in parts["train"] if each.digest in there
    ]


def _others(parts: Divided) -> list[tuple[Found, str]]:
    return [(each, part) for part in ("test", "validation") for each in parts[part]]


def within(training: list[Found]) -> list[Found]:
    """Training pictures that repeat an earlier one: the same pixels, the same label."""
    seen: set[tuple[bytes, str]] = set()
    again = []
    for each in training:
        if (each.digest, each.label) in seen:
            again.append(each)
        seen.add((each.digest, each.label))
    return again


def contradictions(parts: Divided) -> int:
    """How many pictures have the same pixels as one of another class."""
    of_digest: dict[bytes, set[str]] = {}
    for some in parts.values():
        for each in some:
            of_digest.setdefault(each.digest, set()).add(each.label)
    return sum(len(of_digest[each.digest]) > 1 for some in parts.values() for each in some)


def _near(training: list[Found], others: list[tuple[Found, str]], pixels: Pixels) -> list[Twin]:
    twins = []
    for each, candidates in _alike(training, [other for other, _ in others]):
        for distance, index in sorted(candidates)[:COMPARED]:
            other, part = others[index]
            if _difference(pixels[each.row], pixels[other.row]) <= NEAR_PIXELS:
                twins.append(Twin(each, other, part, distance))
                break
    return twins


def _alike(
    training: list[Found], others: list[Found]
) -> Iterator[tuple[Found, list[tuple[int, int]]]]:
    """Training pictures with the others of nearly the same hash: its distance, and the index."""
    theirs = np.array([each.look for each in others], np.uint64)
    rows = max(1, AT_ONCE // max(1, len(theirs)))
    for start in range(0, len(training), rows):
        ours = np.array([each.look for each in training[start : start + rows]], np.uint64)
        distances = np.bitwise_count(ours[:, None] ^ theirs[None, :])
        found, index = np.nonzero(distances <= NEAR_BITS)
        ends = np.flatnonzero(np.diff(found)) + 1
        for row, indices in zip(np.unique(found), np.split(index, ends), strict=False):
            near = indices[np.argsort(distances[row, indices], kind="stable")[:COMPARED]]
            yield training[start + int(row)], [(int(distances[row, at]), int(at)) for at in near]


def _difference(one: Pixels, other: Pixels) -> float:
    """Root of the mean squared difference of the pixels of two pictures."""
    difference = np.subtract(one, other, dtype=np.float32).ravel()
    return math.sqrt(np.dot(difference, difference) / difference.size)
