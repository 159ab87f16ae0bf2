"""How a job's network learns."""

from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationInfo, field_validator

from app.jobspec.section import Section, refuse_unless

Weight = Annotated[float, Field(ge=0.0, le=1e6)]


class Loss(Section):
    """What training minimizes."""

    name: Literal["cross_entropy", "mse"] = "cross_entropy"
    """`cross_entropy` of the softmax of the outputs, or `mse` of the outputs to one-hot labels.
    With `model.output: sigmoid`, binary cross-entropy, or `mse` of the one sigmoid to 0 or 1."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability mass taken from the label and spread over all classes."""
    class_weights: Literal["balanced"] | list[Weight] | None = None
    """A weight for each class, or `balanced`: inversely proportional to its number of training
    images. Losses are weighted means, in which a label's loss, with what smoothing spreads, counts
    by the weight of its class; a class of weight 0 is not learned."""

    @field_validator("label_smoothing", "class_weights")
    @classmethod
    def _only_cross_entropy_has_them(cls, value: Any, info: ValidationInfo) -> Any:
        applies = info.data.get("name") == "cross_entropy"
        refuse_unless(applies, value, "only cross_entropy takes it")
        return value


class Optimizer(Section):
    """How the gradient changes the weights."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "adagrad"] = "sgd"
    """The update rule."""
    lr: float = Field(default=0.001, gt=0.0, le=1000.0)
    """Learning rate; with a schedule, the highest one."""
    momentum: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Fraction of the last update that is added to the next; for sgd (0.9 by default) and rmsprop
    (0 by default)."""
    nesterov: bool = False
    """Whether sgd takes its gradient ahead along the momentum (Nesterov 1983)."""
    weight_decay: float = Field(default=0.0, ge=0.0, le=10.0)
    """L2 penalty on the weights; in adamw decoupled from the gradient."""

    @field_validator("momentum")
    @classmethod
    def _some_have_momentum(cls, momentum: float | None, info: ValidationInfo) -> float | None:
        defaults = {"sgd": 0.9, "rmsprop": 0.0}
        name = info.data.get("name")
        if name in defaults:
            return defaults[name] if momentum is None else momentum
        given = momentum is not None
        refuse_unless(False, given, "only sgd and rmsprop take a momentum")
        return None

    @field_validator("nesterov")
    @classmethod
    def _nesterov_needs_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        applies = info.data.get("name") == "sgd" and bool(info.data.get("momentum"))
        refuse_unless(applies, nesterov, "only sgd with a momentum above 0 takes it")
        return nesterov


class Schedule(Section):
    """How the learning rate changes over the job; it is set before every step."""

    name: Literal["constant", "step", "cosine", "one_cycle", "reduce_on_plateau"] = "constant"
    """`constant`; `step` multiplies the rate by `factor` after every `every` epochs; `cosine` and
    `one_cycle` lower it to zero, along a cosine or a straight line; `reduce_on_plateau` multiplies
    it by `factor` when the validation loss stops improving."""
    warmup: float | None = Field(default=None, ge=0.0, le=0.9)
    """Fraction of the steps over which the rate first rises from zero; 0.2 for one_cycle and 0 for
    the others by default."""
    every: int | None = Field(default=None, ge=1, le=10_000)
    """Epochs between two reductions; for step only, 1 by default."""
    factor: float | None = Field(default=None, gt=0.0, lt=1.0)
    """What a reduction multiplies the rate by; for step and reduce_on_plateau, 0.1 by default."""
    patience: int | None = Field(default=None, ge=0, le=10_000)
    """Epochs without improvement before a reduction; for reduce_on_plateau only, 2 by default."""

    @field_validator("warmup", "every", "factor", "patience")
    @classmethod
    def _fits_the_name(cls, value: Any, info: ValidationInfo) -> Any:
        name, field = info.data.get("name"), str(info.field_name)
        defaults = SCHEDULE_DEFAULTS.get(str(name), {})
        if field in defaults:
            return defaults[field] if value is None else value
        refuse_unless(False, value is not None, f"{name} does not take it")
        return None


SCHEDULE_DEFAULTS: dict[str, dict[str, Any]] = {
    "constant": {"warmup": 0.0},
    "step": {"warmup": 0.0, "every": 1, "factor": 0.1},
    "cosine": {"warmup": 0.0},
    "one_cycle": {"warmup": 0.2},
    "reduce_on_plateau": {"warmup": 0.0, "factor": 0.1, "patience": 2},
}
"""The fields that each schedule takes, with their defaults."""


Score = Literal["balanced_accuracy", "log_loss", "roc_auc", "average_precision", "top_5_accuracy"]
"""Measures of a model beside its loss and accuracy."""
MANY_CLASSES = 20
"""Top-5 accuracy is for more classes than this."""


def is_defined(score: Score, classes: int) -> bool:
    """Whether a measure is defined for this number of classes."""
    if score in ("roc_auc", "average_precision"):
        return classes == 2
    return score != "top_5_accuracy" or classes > MANY_CLASSES


class EarlyStopping(Section):
    """When to stop before the last epoch; the best weights are restored."""

    metric: Literal[
        "validation_loss",
        "validation_accuracy",
        "validation_balanced_accuracy",
        "validation_log_loss",
        "validation_roc_auc",
        "validation_average_precision",
        "validation_top_5_accuracy",
    ] = "validation_loss"
    """What must improve: a loss must fall, the others rise. ROC AUC and average precision are for
    two classes, top 5 for more than 20; the log loss is the loss without weights and smoothing."""
    patience: int = Field(default=3, ge=1, le=10_000)
    """Epochs without improvement before the run stops."""
    min_delta: float = Field(default=0.0, ge=0.0, le=1.0)
    """Smallest change that counts as an improvement."""

    @property
    def score(self) -> Score | None:
        """The measure that is taken for it; None for the loss and the accuracy."""
        name = self.metric.removeprefix("validation_")
        return None if name in ("loss", "accuracy") else cast(Score, name)

    @property
    def falls(self) -> bool:
        """Whether it is better the lower it is."""
        return self.metric.endswith("loss")


class Training(Section):
    """How the network learns."""

    epochs: int = Field(default=10, ge=1, le=10_000)
    """Passes over the training images."""
    batch_size: int = Field(default=4, ge=1, le=8192)
    """Images in a mini-batch: one optimizer step each."""
    loss: Loss = Loss()
    """What training minimizes."""
    optimizer: Optimizer = Optimizer()
    """How the gradient changes the weights."""
    gradient_clipping: float | None = Field(default=None, gt=0.0, le=1e6)
    """Largest norm of the whole gradient; a longer gradient is scaled down to it."""
    schedule: Schedule | None = None
    """How the learning rate changes over time; constant by default."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch; never by default."""
    gradient: Literal["auto", "autograd", "chain_rule"] = "auto"
    """How gradients are computed: by PyTorch (`autograd`), or by the formulas of a fully connected
    network (`chain_rule`). `auto` takes whichever is faster."""
    log_every: int = Field(default=2000, ge=1, le=1_000_000)
    """Mini-batches between two running-loss lines, counted anew in each epoch."""
    checkpoint_seconds: float = Field(default=30.0, ge=0.5, le=86_400.0)
    """Longest time between two checkpoints, in seconds; there is also one after every epoch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the products in a training step; weights and sums are float32 either way. A
    fully connected network trains with float32 where the processor is slower with `bfloat16`."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of every random choice: initial weights, split, order, dropout, augmentation."""
