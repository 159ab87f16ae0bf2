"""What a training job is: every field with its default and its limits.

`JobSpec()` is the reference job: a 784-500-10 ReLU network on MNIST. A spec is immutable, refuses
unknown fields, and is whole: what is stored names every value that the run will use.
"""

from math import ceil
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from app.jobspec.dataset import BUILT_IN_DATASETS, Augment, Dataset, DatasetFacts
from app.jobspec.model import Model
from app.jobspec.part import Part, Text
from app.jobspec.presets import PRESETS, PresetName, laid_over
from app.jobspec.training import EarlyStopping, Loss, Optimizer, Schedule, Training

__all__ = [
    "BUILT_IN_DATASETS",
    "Augment",
    "Autopilot",
    "Dataset",
    "DatasetFacts",
    "EarlyStopping",
    "JobSpec",
    "LabelKey",
    "LabelValue",
    "Loss",
    "Model",
    "Optimizer",
    "Part",
    "RateRange",
    "Resources",
    "Schedule",
    "Text",
    "Training",
]

MAX_PARAMETERS = 20_000_000
"""Largest network, in trainable numbers: 80 MB of float32 weights in the database."""
MAX_STEPS = 50_000_000
"""Most optimizer steps of one job: hours of the smallest network, not months."""


def _label_key(key: str) -> str:
    # `label=key:value` filters by it, and SQLite's JSON paths have no escape for the other two.
    if any(character in ':="\\' or character < " " for character in key):
        raise PydanticCustomError(
            "label_key", "a label's key must not contain : = \" \\ or control characters"
        )
    return key


Name = Annotated[str, Field(max_length=128), Text]
LabelKey = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_label_key)]
LabelValue = Annotated[str, Field(max_length=512), Text]


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


class Autopilot(Part):
    """Lets the service follow its own suggestions."""

    max_jobs: int = Field(ge=1, le=20)
    """Most jobs to train, this one included, until one is healthy."""


class RateRange(Part):
    """A learning-rate range test (Smith 2017): the rate grows by a factor each mini-batch."""

    lowest: float = Field(default=1e-6, ge=1e-12, le=1000.0)
    """Rate of the first mini-batch."""
    highest: float = Field(default=10.0, ge=1e-12, le=1000.0)
    """Rate of the last one; the test ends before it where the loss explodes."""
    batches: int = Field(default=200, ge=20, le=2000)
    """Mini-batches of the whole test."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.lowest >= self.highest:
            raise _refusal("highest", "must be above lowest")
        return self


class JobSpec(Part):
    """A training job. `{}` is the reference: MNIST, 784-500-10, ReLU, SGD, 10 epochs."""

    preset: PresetName | None = None
    """A recipe that fills in what this spec leaves out; GET /presets lists them."""
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
    diagnosis: bool = True
    """Whether the run is measured, and what is wrong with it found and said."""
    autopilot: Autopilot | None = None
    """Whether unhealthy runs are followed by corrected ones; not by default."""
    lr_range: RateRange | None = None
    """Only ramp the learning rate over a few mini-batches, and recommend one; trains no model."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_preset(cls, fields: Any) -> Any:
        preset = fields.get("preset") if isinstance(fields, dict) else None
        if isinstance(preset, str) and preset in PRESETS:
            return laid_over(PRESETS[preset].spec, fields)
        return fields

    @property
    def layer_sizes(self) -> list[int]:
        """Units of the fully connected layers, ends included, such as [784, 500, 10]."""
        facts = self.dataset.facts
        return self.model.layer_sizes(facts.input_shape, facts.classes)

    @property
    def parameters(self) -> int:
        """Trainable numbers of the network."""
        facts = self.dataset.facts
        return self.model.parameters(facts.input_shape, facts.classes)

    @property
    def checkpoint_bytes(self) -> int:
        """About the size of a checkpoint: the weights and what the optimizer keeps of each."""
        optimizer = self.training.optimizer
        moments = {"sgd": int(bool(optimizer.momentum)), "adagrad": 1}.get(optimizer.name, 2)
        if optimizer.name == "rmsprop":
            moments = 1 + int(bool(optimizer.momentum))
        best = int(self.training.early_stopping is not None)
        return 4 * self.parameters * (1 + moments + best)

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
        if min(self.model.feature_shapes(self.dataset.facts.input_shape)[-1]) < 1:
            raise _refusal(
                "model.channels",
                "too many convolutions: each halves the image, and nothing of it would be left",
            )
        if self.parameters > MAX_PARAMETERS:
            raise _refusal(
                "model.hidden",
                f"the network would have {self.parameters} parameters, the limit is "
                f"{MAX_PARAMETERS}; use fewer or smaller layers",
            )
        if self.steps > MAX_STEPS:
            raise _refusal(
                "training.epochs",
                f"the job would take {self.steps} steps, the limit is {MAX_STEPS}; "
                "use fewer epochs or larger batches",
            )
        return self

    @model_validator(mode="after")
    def _its_parts_fit_together(self) -> Self:
        training = self.training
        if self.dataset.validation_images == 0:
            by_plateau = training.schedule and training.schedule.name == "reduce_on_plateau"
            for field, used in {
                "training.early_stopping": training.early_stopping,
                "training.schedule": by_plateau,
            }.items():
                if used:
                    raise _refusal(field, "needs a dataset.validation_fraction above 0")
        weights = training.loss.class_weights
        if isinstance(weights, list) and len(weights) != self.dataset.facts.classes:
            raise _refusal(
                "training.loss.class_weights",
                f"needs one weight for each of the {self.dataset.facts.classes} classes",
            )
        if isinstance(weights, list) and not any(weights):
            raise _refusal("training.loss.class_weights", "needs a weight above 0")
        if self.model.batch_norm and self._smallest_batch == 1:
            raise _refusal(
                "training.batch_size",
                "batch normalization needs two images in every batch, and the last has one; "
                "change the batch size",
            )
        if training.gradient == "chain_rule" and (
            self.model.kind == "cnn" or self.model.batch_norm
        ):
            raise _refusal(
                "training.gradient",
                "chain_rule is for fully connected networks without batch_norm; use auto",
            )
        return self

    @property
    def _smallest_batch(self) -> int:
        images = self.dataset.training_images
        size = min(self.training.batch_size, images)
        return images % size or size


def _refusal(field: str, message: str) -> PydanticCustomError:
    """The refusal of a whole spec for what stands in one field."""
    context = {"message": message, "field": field}
    return PydanticCustomError("does_not_fit", "{message}", context)
