"""What the API answers about jobs: every field with its meaning and its unit."""

from typing import Any

from pydantic import BaseModel

from app.answers.described import DOCSTRINGS, described
from app.codes import FailureCode, Status, WaitReason


class Progress(BaseModel):
    """Where a run is."""

    model_config = described("examples.PROGRESS")

    epoch: int
    """The epoch that is being trained, from 1."""
    epochs: int
    """Epochs of the whole job."""
    step: int
    """Optimizer steps (mini-batches) done, counted from the job's start."""
    steps: int
    """Optimizer steps of the whole job."""
    percent: float
    """Share of the steps that are done, 0 to 100."""
    samples_per_second: float
    """Training images a second, lately."""
    eta_seconds: float | None
    """Seconds until the last step, at this speed; null until the speed is known."""


class Failure(BaseModel):
    """Why a job failed."""

    model_config = DOCSTRINGS

    code: FailureCode
    """The kind of failure, from a closed list."""
    message: str
    """What happened."""
    advice: str
    """What to change."""


class ChainedJob(BaseModel):
    """A job of a chain: the first job, or one of its retries."""

    model_config = DOCSTRINGS

    id: str
    """Id of the job."""
    status: Status
    """Where it is in its life."""
    applied: dict[str, Any] | None
    """The merge patch that changed the specification of the job that it retries."""
    verdict: str
    """What its diagnosis found first; `unknown` or `off` where there is none."""
    validation_accuracy: float | None
    """Fraction of correct predictions on the validation images, 0 to 1."""
    test_accuracy: float | None
    """Fraction of its model's correct predictions on the test images, 0 to 1."""
    model: str | None
    """Id of its model."""
    is_best: bool
    """Whether its model is the best of the chain, by validation images where there are any."""


class Waiting(BaseModel):
    """Why a job waits."""

    model_config = DOCSTRINGS

    reason: WaitReason
    """The kind of reason, from a closed list."""
    message: str
    """The same for people, with what is missing."""
    ahead: int
    """Waiting jobs of the same API key that have a place before it. Keys take turns: jobs of others
    may be taken in between."""


class Job(BaseModel):
    """A training job."""

    model_config = described("examples.JOB")

    id: str
    """`job_` and 26 characters; ids sort by the time of submission."""
    name: str
    """Free text of its owner."""
    status: Status
    """Where the job is in its life."""
    attempt: int
    """How many times a worker has taken it up; 0 while it waits for the first."""
    worker: str | None
    """Id of the worker that trains it; null unless it is running."""
    waiting: Waiting | None
    """Why it waits; null unless it is queued, and in lists."""
    labels: dict[str, str]
    """Pairs to filter by."""
    created_at: str
    """When it was submitted (RFC 3339, UTC)."""
    started_at: str | None
    """When its latest attempt began (RFC 3339, UTC)."""
    first_step_at: str | None
    """When its latest attempt had done its first optimizer step (RFC 3339, UTC)."""
    ended_at: str | None
    """When it succeeded, failed or was cancelled (RFC 3339, UTC)."""
    cancel_requested: bool
    """Whether its owner has asked a running job to stop."""
    pause_requested: bool
    """Whether its owner has asked a running job to pause."""
    retry_of: str | None
    """Id of the job that this one retries."""
    applied: dict[str, Any] | None
    """The merge patch between that job's specification and this one's; null if they are equal."""
    range_of: str | None
    """Id of the job for which this is a learning-rate range test."""
    chain: list[ChainedJob]
    """The first job and its retries, oldest first; empty for a job alone, and in lists."""
    verdict: str
    """What its diagnosis found first; `unknown` while nothing, `off` where none is looked for."""
    submitted_by: str | None
    """Id of the API key that submitted it; null where none was asked for."""
    spec: dict[str, Any]
    """What it trains: every field of the specification, defaults filled in."""
    progress: Progress | None
    """Where its latest attempt is; null before the first report."""
    metrics: dict[str, float | None]
    """Latest value of each metric; where early stopping has put weights back, that of their epoch.
    Losses are in nats, accuracies run from 0 to 1."""
    failure: Failure | None
    """Why it failed; null unless it did."""
    model: str | None
    """Id of the model that it made; null until it has succeeded."""


class JobSummary(BaseModel):
    """A job as lists show it."""

    model_config = described("examples.SUMMARY")

    id: str
    """`job_` and 26 characters; ids sort by the time of submission."""
    name: str
    """Free text of its owner."""
    status: Status
    """Where the job is in its life."""
    labels: dict[str, str]
    """Pairs to filter by."""
    created_at: str
    """When it was submitted (RFC 3339, UTC)."""
    ended_at: str | None
    """When it succeeded, failed or was cancelled (RFC 3339, UTC)."""
    dataset: str
    """Name of its dataset."""
    network: str
    """Kind of its network."""
    progress: Progress | None
    """Where its latest attempt is; null before the first report."""
    metrics: dict[str, float | None]
    """Latest value of each metric; where early stopping has put weights back, that of their epoch.
    Losses are in nats, accuracies run from 0 to 1."""
    verdict: str
    """What its diagnosis found first; `unknown` while nothing, `off` where none is looked for."""
    failure: Failure | None
    """Why it failed; null unless it did."""
    retry_of: str | None
    """Id of the job that this one retries."""
    range_of: str | None
    """Id of the job for which this is a learning-rate range test."""
    model: str | None
    """Id of the model that it made; null until it has succeeded."""


class Event(BaseModel):
    """Something that happened to a job."""

    model_config = described("examples.EVENT")

    id: int
    """Its number within the job: 1, 2, 3, ... without gaps."""
    at: str
    """When it was recorded (RFC 3339, UTC)."""
    kind: str
    """`state`, `started`, `resumed`, `log`, `epoch`, `warning`, `finding`, `autopilot`, `webhook`,
    `mlflow` or `pruned`."""
    message: str
    """What happened, for people."""
    data: dict[str, Any]
    """The same as facts, for programs."""


class LiveProgress(BaseModel):
    """The data of a `progress` message in an event stream."""

    model_config = DOCSTRINGS

    progress: Progress
    """Where the run is."""
    metrics: dict[str, float | None]
    """Latest value of each metric."""


class MetricPoint(BaseModel):
    """One measured value."""

    model_config = described("examples.POINT")

    name: str
    """Name of the curve, such as `running_loss` or `validation_accuracy`."""
    step: int
    """Optimizer steps done when it was measured."""
    epoch: int
    """The epoch in which it was measured, from 1."""
    value: float | None
    """A loss in nats or an accuracy from 0 to 1; null where it was not a finite number."""


class Preset(BaseModel):
    """A recipe to start from."""

    model_config = described("examples.PRESET")

    name: str
    """What `preset` in a job's specification names it by."""
    about: str
    """What to expect of it."""
    spec: dict[str, Any]
    """The specification that it means, every default filled in."""


class Plan(BaseModel):
    """What a specification would run, without storing it."""

    model_config = described("examples.PLAN")

    spec: dict[str, Any]
    """The specification with every default filled in."""
    parameters: int
    """Trainable numbers: weights and biases."""
    layer_sizes: list[int]
    """Units of each layer, input and output included."""
    steps_per_epoch: int
    """Mini-batches in an epoch."""
    steps: int
    """Optimizer steps of the whole job."""
    training_images: int
    """Images that each epoch trains on."""
    validation_images: int
    """Images held out for validation."""
    checkpoint_bytes: int
    """Size of one checkpoint in bytes, about: weights and optimizer state."""
    estimated_seconds: float | None
    """Seconds from start to published model on the worker that was heard last, by its calibration
    on one thread of its processor; null until a worker has measured itself. Not counted is what a
    diagnosis tries once a run has done badly: learning rates, and trials of at most 800 steps."""
