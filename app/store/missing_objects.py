"""Which uploaded files are not where they were put: looked for without reading them."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from app.store.objects import Objects

LOOK_SECONDS = 5.0
"""How long a storage is listed: a bucket gives about 1,000 objects with each request."""


@dataclass(frozen=True)
class Look:
    """What a look has found."""

    looked_for: int
    """How many of the objects; fewer than all where the time did not suffice."""
    missing: list[str]
    """Digests of those that are not there."""


def look(objects: Objects, digests: Iterable[str]) -> Look:
    """Looks for these objects. One listing tells of all: to ask for each takes a request each.

    Raises:
        ObjectsUnavailable: the storage does not answer.
    """
    until = time.monotonic() + LOOK_SECONDS
    wanted, there = sorted(digests), set()
    for digest in objects.digests(before=math.inf):  # in order
        there.add(digest)
        if time.monotonic() > until:
            wanted = [each for each in wanted if each <= digest]
            break
    return Look(len(wanted), [each for each in wanted if each not in there])
