"""Where a run executes: what the supervisor needs of a process, a cluster, or a test's stand-in."""

from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Protocol

from app.codes import StopReason
from worker.capacity import Capacity
from worker.messages import Order, Report


class Run(Protocol):
    """One attempt of a job, under way."""

    @property
    def waitables(self) -> Sequence[Connection | int]:
        """What `multiprocessing.connection.wait` returns when the run has reported or died."""

    def reports(self) -> list[Report]:
        """What the run has reported since the last call; never blocks."""

    def stop(self, reason: StopReason) -> None:
        """Asks the run to stop at its next step boundary."""

    def kill(self) -> None:
        """Ends the run at once."""

    def death(self) -> str | None:
        """How the run ended, in words, or None while it lives or has reports to be read."""

    def close(self) -> None:
        """Gives back what a dead run holds; waits for its exit."""


class CannotStart(Exception):
    """A run could not be started; the message says why."""


class Engine(Protocol):
    """Starts runs."""

    def warm_up(self) -> None:
        """Begins to load what runs need, while the caller goes on."""

    @property
    def capacity(self) -> Capacity:
        """What a run may have; known once the engine is ready."""

    def is_ready(self) -> bool:
        """Whether a run would start at once.

        Raises:
            CannotStart: it never will.
        """

    def start(self, order: Order) -> Run:
        """Starts a run.

        Raises:
            CannotStart: the machine refuses, or the order cannot be sent.
        """
