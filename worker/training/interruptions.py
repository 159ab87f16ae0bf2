"""Why a run ends before its last step: it is asked to stop, or its loss is no number any more."""

from app.codes import StopReason
from worker.training.state import Position


class Stopping(Exception):
    """The run was asked to stop, and does so at a step boundary."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Diverged(Exception):
    """The loss is infinite or not a number."""

    def __init__(self, at: Position) -> None:
        super().__init__(
            "The loss became infinite or not a number by "
            f"mini-batch {at.batch} of epoch {at.epoch} (step {at.step})."
        )
