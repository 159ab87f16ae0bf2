"""A job that a worker holds: its lease, its run, and what is yet to be written of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from app.codes import FailureCode, StopReason
from app.store import outcomes
from app.store.database import News
from app.store.leases import Lease
from app.store.outcomes import Outcome
from worker import relay
from worker.engines import Run
from worker.messages import Failed, Report

GRACE_SECONDS = {
    StopReason.CANCEL: 0.6,  # nothing is lost by killing it
    StopReason.PAUSE: 8.0,  # until it has reached a step boundary and sent its checkpoint
    StopReason.SHUTDOWN: 8.0,
    StopReason.DRAIN: 8.0,
}
"""How long a run may take to stop by itself before it is killed."""
FOREVER = float("inf")
FEW_WORKERS = 20
RELAY_SECONDS = 0.001
"""What each worker that lives beyond the first few adds to the time between two writes of a run:
with 1,000 workers, a run's reports of one second are written together."""


@dataclass
class Held:
    """One attempt of a job. Times are those of `time.monotonic`."""

    lease: Lease
    run: Run
    patience: float
    """Seconds of silence after which the run counts as hung."""
    reports: list[Report] = field(default_factory=list)
    """What the run has said and the database does not know yet; the run waits meanwhile."""
    outcome: Outcome | None = None
    """How the run ended, once it has."""
    stopping: StopReason | None = None
    kill_at: float = FOREVER
    heard_at: float = field(default_factory=time.monotonic)
    listens_at: float = 0.0
    """Until then the run's words wait in its pipe."""

    @property
    def has_news(self) -> bool:
        """Whether something is to be written."""
        return bool(self.reports) or self.outcome is not None

    @property
    def news(self) -> News:
        """Whom the next write concerns: workers only when it ends the job."""
        return News.PROGRESS if self.outcome is None else News.WORK

    @property
    def traceback(self) -> str:
        """Of the fault that ended the run, for the log; mostly empty."""
        last = self.reports[-1] if self.reports else None
        return last.traceback if isinstance(last, Failed) else ""

    def rest(self, workers: int) -> None:
        """Where there are many workers, waits a while before the run's next reports are read."""
        self.listens_at = time.monotonic() + RELAY_SECONDS * max(0, workers - FEW_WORKERS)

    @property
    def waitables(self) -> Sequence[Connection | int]:
        """What ends the wait for this run: nothing while it is not listened to."""
        is_listening = not self.has_news and time.monotonic() >= self.listens_at
        return self.run.waitables if is_listening else []

    def listen(self) -> None:
        """Takes in what the run has said, or that it has died."""
        if self.has_news:  # the database has refused it: the run waits in its full pipe
            self.heard_at = time.monotonic()
            return
        if time.monotonic() < self.listens_at:
            return
        self.reports = self.run.reports()
        if self.reports:
            self.heard_at = time.monotonic()
            self.outcome = relay.outcome(self.reports[-1])
        elif (how := self.run.death()) is not None:
            self.outcome = self._death(how)

    def stop(self, reason: StopReason) -> None:
        """Asks the run to stop, once for each reason; it is killed when its grace is over."""
        if self.stopping is not reason:
            self.stopping = reason
            self.kill_at = time.monotonic() + GRACE_SECONDS[reason]
            self.run.stop(reason)

    @property
    def is_hung(self) -> bool:
        """Whether the run has said nothing for too long."""
        return time.monotonic() - self.heard_at > self.patience

    def kill_if_late(self) -> None:
        """Ends a run that hangs, or does not stop within its grace."""
        if self.is_hung or time.monotonic() > self.kill_at:
            self.run.kill()

    def drop(self) -> None:
        """Ends the run, if it still lives, and gives back what it holds."""
        self.run.kill()
        self.run.close()

    def _death(self, how: str) -> Outcome:
        if self.stopping is not None:
            return outcomes.Stopped(self.stopping)
        if self.is_hung:
            return outcomes.Failed(
                FailureCode.NO_PROGRESS,
                f"The run said nothing for {self.patience:g} s and was ended.",
                "Try a smaller batch or network.",
            )
        return outcomes.Died(how)
