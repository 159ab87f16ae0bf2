"""Closed lists of codes: states, why a run stops or failed, what is found in it, rights of a key.

Service, trainer and command line share them; scripts rely on them.
"""

from enum import StrEnum
from typing import Literal


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


ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
"""The states that a job never leaves."""


class DatasetStatus(StrEnum):
    """Where a version of a dataset is on its way to the first job."""

    AWAITING_UPLOAD = "awaiting_upload"
    """Nothing of its file has arrived, or not all."""
    QUEUED = "queued"
    """Its file waits for a worker."""
    IMPORTING = "importing"
    """A worker reads its file, under a lease."""
    READY = "ready"
    """Jobs may train on it."""
    REFUSED = "refused"
    """Its file cannot be used; the refusal says why and what to do."""


class StopReason(StrEnum):
    """Why a run is asked to stop at its next step boundary."""

    CANCEL = "cancel"
    """Its owner ends the job: no checkpoint is needed."""
    PAUSE = "pause"
    """Its owner sets the job aside."""
    SHUTDOWN = "shutdown"
    """Its worker ends; the job goes on elsewhere."""
    DRAIN = "drain"
    """Its worker gives its jobs back, to be taken out of service."""


class WaitReason(StrEnum):
    """Why a job waits."""

    NO_WORKER = "no_worker"
    """No worker is alive."""
    UNSATISFIABLE = "unsatisfiable"
    """No living worker has what the job requires."""
    DRAINING = "draining"
    """The workers that have what it requires take no jobs at the moment."""
    BUSY = "busy"
    """The workers that have what it requires have no free slot."""
    STARTING = "starting"
    """A worker has a free slot, and takes jobs from it in turn."""


class WorkerStatus(StrEnum):
    """What a worker does with waiting jobs."""

    READY = "ready"
    """It takes jobs."""
    DRAINING = "draining"
    """It takes none, and has some that have not ended."""
    DRAINED = "drained"
    """It takes none, and has none: it can be stopped."""
    LOST = "lost"
    """It has said nothing for 30 s; its jobs go on elsewhere. After a day it is forgotten."""


class FailureCode(StrEnum):
    """Why a job failed: a closed list that scripts can rely on."""

    DIVERGED = "diverged"
    """The loss became infinite or not a number."""
    OUT_OF_MEMORY = "out_of_memory"
    """The training process needed more memory than it may use."""
    DEVICE_UNAVAILABLE = "device_unavailable"
    """The worker has no device of the kind that the specification asks for."""
    DATASET_UNAVAILABLE = "dataset_unavailable"
    """The dataset could not be found, downloaded or read."""
    BACKBONE_UNAVAILABLE = "backbone_unavailable"
    """The weights of the backbone are missing, or cannot be read, or are no longer the same."""
    WORKER_LOST = "worker_lost"
    """The training process or its worker died, too many times."""
    NOT_STARTED = "not_started"
    """The worker could not start the training process."""
    NO_PROGRESS = "no_progress"
    """The training process made no step for too long."""
    INTERNAL = "internal"
    """A fault of traind itself."""


class FindingCode(StrEnum):
    """What a diagnosis may find: a closed list that scripts can rely on."""

    LEARNING_RATE_TOO_HIGH = "learning_rate_too_high"
    """Steps overshoot: the loss diverges or oscillates."""
    LEARNING_RATE_TOO_LOW = "learning_rate_too_low"
    """Steps are so small that the loss hardly falls."""
    CLIPPING_TOO_TIGHT = "clipping_too_tight"
    """Gradient clipping leaves so little of each step that the loss hardly falls."""
    VANISHING_GRADIENTS = "vanishing_gradients"
    """The first layers get almost no gradient: too many saturating layers."""
    EXPLODING_GRADIENTS = "exploding_gradients"
    """The gradient grows from layer to layer beyond what a step can use."""
    DEAD_RELUS = "dead_relus"
    """Many units are zero for every image, and get no gradient any more."""
    BAD_INITIALIZATION = "bad_initialization"
    """Units start equal, or with weights far too small or large."""
    UNDERFITTING = "underfitting"
    """The network cannot even fit the training images: too small, or held back too much."""
    OVERFITTING = "overfitting"
    """Training goes on to improve while validation gets worse."""
    STOPPED_TOO_EARLY = "stopped_too_early"
    """The last epochs still improved much."""
    TRAINED_TOO_LONG = "trained_too_long"
    """Many epochs have brought nothing any more."""
    INPUTS_NOT_NORMALIZED = "inputs_not_normalized"
    """The inputs are far from mean 0 and deviation 1."""
    BROKEN_FEATURES = "broken_features"
    """Inputs are constant or damaged, and say nothing about the class."""
    NOISY_LABELS = "noisy_labels"
    """Many labels contradict what the other images teach."""
    CLASS_IMBALANCE = "class_imbalance"
    """Some classes are so rare that guessing the others pays."""
    DISTRIBUTION_SHIFT = "distribution_shift"
    """Validation images differ in kind from the training images."""
    DUPLICATES_ACROSS_PARTS = "duplicates_across_parts"
    """Training images are in the test or validation part, too, which looks better than it is."""
    MISLABELLED_EXAMPLES = "mislabelled_examples"
    """Some training images probably have wrong labels."""
    TARGET_LEAKAGE = "target_leakage"
    """A column of the table gives the answer away."""
    FEW_EXAMPLES = "few_examples"
    """A class has too few training images to be learned from."""
    BATCH_TOO_SMALL = "batch_too_small"
    """Mini-batches are too noisy for this learning rate."""
    BATCH_TOO_LARGE = "batch_too_large"
    """Mini-batches are so large that too few steps are made."""
    NON_FINITE = "non_finite"
    """Numbers became infinite or not a number."""
    HEALTHY = "healthy"
    """Nothing is wrong."""


class Severity(StrEnum):
    """How much a finding matters."""

    CRITICAL = "critical"
    """The run cannot learn like this."""
    WARNING = "warning"
    """It learns, and another specification would do better."""
    INFO = "info"
    """Good to know."""


class Picture(StrEnum):
    """A picture of a run that shows one of its findings."""

    LOSS = "loss"
    """Losses over the mini-batches."""
    ACCURACY = "accuracy"
    """Accuracies over the epochs."""
    GRADIENTS = "gradients"
    """Norm of each layer's gradient."""
    UPDATES = "updates"
    """What a step changes, as a fraction of each layer's weights."""
    ACTIVATIONS = "activations"
    """Dead units and saturated values of each hidden layer."""
    PREDICTIONS = "predictions"
    """Entropy of the predictions."""
    INPUTS = "inputs"
    """Histograms of the pixels."""
    LABELS = "labels"
    """Fraction of each class, and how often neighbours agree with its labels."""
    RATE = "rate"
    """The learning rate, or the range test where there is one."""


class NoVerdict(StrEnum):
    """The verdict on a run without a finding."""

    UNKNOWN = "unknown"
    """Nothing has been found yet."""
    OFF = "off"
    """The specification turned the diagnosis off."""


Verdict = FindingCode | NoVerdict
"""The verdict on a run: the code of its first finding, or why there is none."""


class Scope(StrEnum):
    """What a key may do; `admin` includes the others."""

    READ = "read"
    """Every GET, and POST /jobs/validate."""
    PREDICT = "predict"
    """Predictions, also those of the Open Inference Protocol."""
    WRITE = "write"
    """Making jobs and datasets, promoting models, rolling promotions back, naming models."""
    ADMIN = "admin"
    """All of that, every DELETE, and taking workers out of service."""


Fit = Literal["crop", "pad", "stretch"]
"""How a picture of another aspect is met: what is beyond the middle is cut off, the ground fills
what is missing, or the picture is stretched."""
InputDoubt = Literal[
    "blank",
    "faint",
    "several_objects",
    "dark_frame",
    "pixel_range",
    "missing_value",
    "unknown_category",
    "extra_column",
]
"""Why an input hardly is what a model was trained for."""
