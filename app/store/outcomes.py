"""How a run ended, as its worker saw it. `leases.release` turns it into the job's next state."""

from dataclasses import dataclass

from app.codes import FailureCode, StopReason
from app.store.trained_models import TrainedModel


@dataclass(frozen=True)
class Succeeded:
    """The run reached its end. A range test leaves no model."""

    model: TrainedModel | None


@dataclass(frozen=True)
class Failed:
    """The run cannot go on; `message` says why and `advice` what its owner can do."""

    code: FailureCode
    message: str
    advice: str


@dataclass(frozen=True)
class Stopped:
    """The run stopped because it was asked to. This costs the job no attempt."""

    reason: StopReason


@dataclass(frozen=True)
class Died:
    """The training process or its worker died, or the lease expired; `how` completes a sentence."""

    how: str


Outcome = Succeeded | Failed | Stopped | Died
