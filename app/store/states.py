"""The states of a job and the allowed moves between them."""

from enum import StrEnum


class Status(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    """Waits for a worker."""
    RUNNING = "running"
    """Held by a worker under a lease."""
    PAUSED = "paused"
    """Set aside by its owner, with its checkpoint."""
    SUCCEEDED = "succeeded"
    """Ended with a published model, or with the measurements of a range test."""
    FAILED = "failed"
    """Ended with a reason."""
    CANCELLED = "cancelled"
    """Ended because its owner asked."""


MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.PAUSED, Status.CANCELLED}),
    Status.RUNNING: frozenset(
        {Status.QUEUED, Status.PAUSED, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}
    ),
    Status.PAUSED: frozenset({Status.QUEUED, Status.CANCELLED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""Every move a job may make; an ended job makes none."""

ENDED = frozenset(status for status, moves in MOVES.items() if not moves)
"""The states that a job never leaves."""
