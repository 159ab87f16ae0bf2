"""What a worker and its training process say to each other: msgpack, typed, no pickle.

The training process has no database: it reports, and its supervisor writes.
"""

from typing import Any

import msgspec

from app.codes import FailureCode, StopReason
from worker.imports.messages import Import


class Order(msgspec.Struct, tag=True, frozen=True):
    """The worker's first word: train this."""

    spec: dict[str, Any]
    datasets_home: str
    """Folder of the decoded datasets."""
    datasets_source: str | None
    """Folder in torchvision's layout to look in before any download."""
    backbones: str = ""
    """Folder of the weights of backbones."""
    own_dataset: Import | None = None
    """How to import the dataset again, if it is one of the owner's and its arrays are not here."""
    checkpoint: bytes | None = None
    """Where to go on from; from the first step if there is none."""
    memory_mb: int | None = None
    """Most memory that the run may take, in MB, beyond what every run starts with."""


class Stop(msgspec.Struct, tag=True, frozen=True):
    """Stop at the next step boundary, with a checkpoint unless the job is cancelled."""

    reason: StopReason


class Started(msgspec.Struct, tag=True, frozen=True):
    """The run is set up. `environment` says what the weights depend on beside the spec."""

    environment: dict[str, Any]


class Step(msgspec.Struct, tag=True, frozen=True):
    """Where the run is, at most every 100 ms. `step` counts from the job's start, of `steps`."""

    epoch: int
    epochs: int
    step: int
    steps: int
    samples_per_second: float
    eta_seconds: float | None


class RunningLoss(msgspec.Struct, tag=True, frozen=True):
    """Mean loss of the last `log_every` mini-batches; `batch` counts within the epoch."""

    epoch: int
    batch: int
    step: int
    loss: float


class Epoch(msgspec.Struct, tag=True, frozen=True):
    """An epoch's end: loss and accuracy in training and, where there is a split, validation."""

    epoch: int
    step: int
    seconds: float
    metrics: dict[str, float]


class Diagnosed(msgspec.Struct, tag=True, frozen=True):
    """What is known of the run's health: `diagnosis` replaces what was said before.

    `new` are the findings, as they stand in `diagnosis`, that were not there before.
    """

    diagnosis: dict[str, Any]
    new: list[dict[str, Any]]


class Heartbeat(msgspec.Struct, tag=True, frozen=True):
    """The run is at work, on what is no step of its training."""


class Log(msgspec.Struct, tag=True, frozen=True):
    """A line for the owner of the job."""

    message: str


class Resumed(msgspec.Struct, tag=True, frozen=True):
    """The run goes on from a checkpoint. `differences` say why it may not be bit-exact."""

    step: int
    differences: list[str]


class Checkpoint(msgspec.Struct, tag=True, frozen=True):
    """All that is needed to go on from `step`, as `training.checkpoint` writes it."""

    step: int
    content: bytes


class Finished(msgspec.Struct, tag=True, frozen=True):
    """What is needed to publish the model."""

    signature: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    weights_sha256: str
    weights: bytes
    onnx: bytes
    report: bytes
    """The report on the test images, as `training.report.report` has it, in JSON."""
    predictions: bytes
    """The predictions for the test images, in safetensors, as `training.report.predictions` has
    them."""


class Measured(msgspec.Struct, tag=True, frozen=True):
    """The run has ended as it should, with measurements and no model: a range test."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The run cannot go on."""

    code: FailureCode
    message: str
    advice: str
    traceback: str = ""


class Stopped(msgspec.Struct, tag=True, frozen=True):
    """The run has stopped because it was asked to."""

    reason: StopReason


class Lost(msgspec.Struct, tag=True, frozen=True):
    """The run has died on another machine; `how` says it in words."""

    how: str


Report = (
    Started
    | Resumed
    | Checkpoint
    | Step
    | RunningLoss
    | Epoch
    | Diagnosed
    | Heartbeat
    | Log
    | Finished
    | Measured
    | Failed
    | Stopped
    | Lost
)
"""What a training process may say."""
Command = Order | Stop
"""What a worker may say to it."""

encode = msgspec.msgpack.Encoder().encode
decode_report = msgspec.msgpack.Decoder(Report).decode
decode_command = msgspec.msgpack.Decoder(Command).decode
