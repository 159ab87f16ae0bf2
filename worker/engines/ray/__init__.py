"""Runs on a Ray cluster.

`engine` is what the supervisor has: for each run it forks a `driver`, a process that connects to
the cluster and passes on what is said. `node` is the other end, on the machine that trains; there
the same training process runs as at home. `cluster` finds or starts the cluster.

Only `engine` is loaded by the supervisor, and it does not load Ray.
"""

import msgspec

from worker.capacity import Capacity


class Found(msgspec.Struct, frozen=True):
    """What `cluster` has found."""

    address: str
    """HOST:PORT of the cluster's head."""
    capacity: Capacity
