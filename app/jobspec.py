"""What a training job is: every field with its default and its limits.

`JobSpec()` is the reference job: a 784-500-10 ReLU network on MNIST. A spec is immutable, refuses
unknown fields, and is whole: what is stored names every value that the run will use.
"""

from itertools import pairwise
from math import ceil, prod
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

MAX_PARAMETERS = 20_000_000
"""Largest network, in trainable numbers: 80 MB of float32 weights in the database."""
MAX_STEPS = 50_000_000
"""Most optimizer steps of one job: hours of the smallest network, not months."""


class DatasetFacts(NamedTuple):
    """What a spec needs to know of a built-in dataset without opening it."""

    input_shape: tuple[int, int, int]
    classes: int
    train_images: int
    test_images: int


BUILT_IN_DATASETS = {
    "digits": DatasetFacts((1, 8, 8), 10, 1437, 360),
    "mnist": DatasetFacts((1, 28, 28), 10, 60000, 10000),
    "fashion-mnist": DatasetFacts((1, 28, 28), 10, 60000, 10000),
    "kmnist": DatasetFacts((1, 28, 28), 10, 60000, 10000),
}


def _without_nul(text: str) -> str:
    if "\0" in text:  # PostgreSQL cannot store it
        raise PydanticCustomError("nul_character", "must not contain the NUL character")
    return text


def _label_key(key: str) -> str:
    # `label=key:value` filters by it, and SQLite's JSON paths have no escape for the other two.
    if any(character in ':="\\' or character < " " for character in key):
        raise PydanticCustomError(
            "label_key", "a label's key must not contain : = \" \\ or control characters"
        )
    return key


def _not_yet(*later: Any) -> BeforeValidator:
    """A validator that refuses what a later release will do, instead of ignoring it."""

    def check(value: Any) -> Any:
        if value in later or (not later and value is not None):
            raise PydanticCustomError("not_supported_yet", "not supported yet; leave it out")
        return value

    return BeforeValidator(check)


Text = AfterValidator(_without_nul)
Name = Annotated[str, Field(max_length=128), Text]
LabelKey = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_label_key)]
LabelValue = Annotated[str, Field(max_length=512), Text]
Width = Annotated[int, Field(ge=1, le=8192)]
NotYet = Annotated[None, _not_yet()]


class Part(BaseModel):
    """A part of a spec: immutable, strict about types, closed to unknown fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )


class Dataset(Part):
    """What to learn from."""

    name: Literal["digits", "mnist", "fashion-mnist", "kmnist"] = "mnist"
    """A built-in dataset. `digits` needs no download."""
    validation_fraction: float = Field(default=0.1, ge=0.0, le=0.5)
    """Share of the training images held out, the same share of each class; never trained on."""
    limit: int | None = Field(default=None, ge=20, le=1_000_000)
    """Use only this many training images, for a quick try. All by default."""
    augment: NotYet = None
    """Random distortions of the training images. Not supported yet."""

    @property
    def facts(self) -> DatasetFacts:
        """Input shape, number of classes and sizes of the dataset."""
        return BUILT_IN_DATASETS[self.name]

    @property
    def training_images(self) -> int:
        """How many images each epoch trains on, after the limit and the validation split."""
        available = min(self.facts.train_images, self.limit or self.facts.train_images)
        return available - self.validation_images

    @property
    def validation_images(self) -> int:
        """How many images are held out for validation."""
        available = min(self.facts.train_images, self.limit or self.facts.train_images)
        return round(available * self.validation_fraction)


class Model(Part):
    """The network: fully connected layers between the dataset's pixels and its classes."""

    kind: Annotated[Literal["mlp"], _not_yet("cnn")] = "mlp"
    """`mlp`: fully connected layers."""
    hidden: list[Width] = Field(default=[500], max_length=16)
    """Units of each hidden layer, from input to output; [] is a linear classifier."""
    activation: Annotated[
        Literal["relu", "sigmoid", "tanh"], _not_yet("gelu", "leaky_relu", "none")
    ] = "relu"
    """Function after each hidden layer."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability with which each hidden unit is silenced while training."""


class Loss(Part):
    """What training minimizes."""

    name: Annotated[Literal["cross_entropy"], _not_yet("mse")] = "cross_entropy"
    """`cross_entropy` between the softmax of the outputs and the label."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability mass taken from the label and spread over all classes."""


class Optimizer(Part):
    """How the gradient changes the weights."""

    name: Annotated[Literal["sgd", "adam", "adamw"], _not_yet("rmsprop", "adagrad")] = "sgd"
    """The update rule."""
    lr: float = Field(default=0.001, gt=0.0, le=1000.0)
    """Learning rate."""
    momentum: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Share of the last update kept in the next; for sgd only, 0.9 by default."""
    weight_decay: float = Field(default=0.0, ge=0.0, le=10.0)
    """Pull of the weights towards zero (decoupled from the gradient in adamw)."""

    @field_validator("momentum")
    @classmethod
    def _only_sgd_has_momentum(cls, momentum: float | None, info: ValidationInfo) -> float | None:
        name = info.data.get("name")
        if name == "sgd":
            return 0.9 if momentum is None else momentum
        if momentum is not None:
            raise PydanticCustomError(
                "momentum_without_sgd", "only sgd takes a momentum; leave it out"
            )
        return None


class Training(Part):
    """How the network learns."""

    epochs: int = Field(default=10, ge=1, le=10_000)
    """Passes over the training images."""
    batch_size: int = Field(default=4, ge=1, le=8192)
    """Images in a mini-batch: one optimizer step each."""
    loss: Loss = Loss()
    """What training minimizes."""
    optimizer: Optimizer = Optimizer()
    """How the gradient changes the weights."""
    schedule: NotYet = None
    """How the learning rate changes over time. Not supported yet: constant."""
    early_stopping: NotYet = None
    """When to stop before the last epoch. Not supported yet: never."""
    log_every: int = Field(default=2000, ge=1, le=1_000_000)
    """Mini-batches between two running-loss lines, counted anew in each epoch."""
    precision: Annotated[Literal["float32"], _not_yet("bfloat16")] = "float32"
    """Arithmetic of the training step."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Start of every random choice: initial weights, split, order, dropout."""


class Resources(Part):
    """What the run may use."""

    threads: int = Field(default=1, ge=1, le=64)
    """CPU threads; the same number gives the same weights, bit for bit."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the arithmetic runs; `auto` takes a GPU where there is one."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Data-parallel processes. More than 1 is not supported yet."""

    @field_validator("workers")
    @classmethod
    def _one_worker(cls, workers: int) -> int:
        if workers > 1:
            raise PydanticCustomError("not_supported_yet", "more than 1 is not supported yet")
        return workers


class JobSpec(Part):
    """A training job. `{}` is the reference: MNIST, 784-500-10, ReLU, SGD, 10 epochs."""

    name: Name = "reference"
    """Free text for people."""
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=16)
    """Up to 16 pairs to filter jobs by."""
    dataset: Dataset = Dataset()
    """What to learn from."""
    model: Model = Model()
    """The network."""
    training: Training = Training()
    """How it learns."""
    resources: Resources = Resources()
    """What it may use."""

    @property
    def layer_sizes(self) -> list[int]:
        """Units of every layer, input and output included, such as [784, 500, 10]."""
        facts = self.dataset.facts
        return [prod(facts.input_shape), *self.model.hidden, facts.classes]

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        return sum(before * after + after for before, after in pairwise(self.layer_sizes))

    @property
    def checkpoint_bytes(self) -> int:
        """About the size of a checkpoint: the weights and what the optimizer keeps of each."""
        optimizer = self.training.optimizer
        moments = 2 if optimizer.name != "sgd" else int(bool(optimizer.momentum))
        return 4 * self.parameters * (1 + moments)

    @property
    def steps_per_epoch(self) -> int:
        """Mini-batches in an epoch; the last may be smaller."""
        return ceil(self.dataset.training_images / self.training.batch_size)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole job."""
        return self.steps_per_epoch * self.training.epochs

    @model_validator(mode="after")
    def _fits_the_service(self) -> Self:
        if self.parameters > MAX_PARAMETERS:
            raise PydanticCustomError(
                "network_too_large",
                "the network would have {parameters} parameters, the limit is {limit}; "
                "use fewer or smaller hidden layers",
                {"parameters": self.parameters, "limit": MAX_PARAMETERS, "field": "model.hidden"},
            )
        if self.steps > MAX_STEPS:
            raise PydanticCustomError(
                "too_many_steps",
                "the job would take {steps} steps, the limit is {limit}; "
                "use fewer epochs or larger batches",
                {"steps": self.steps, "limit": MAX_STEPS, "field": "training.epochs"},
            )
        return self
