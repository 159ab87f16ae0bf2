"""What a training job is: every field with its default and its limits.

`JobSpec()` is the reference job: a 784-500-10 ReLU network on MNIST. A spec is immutable, refuses
unknown fields, and is whole: what is stored names every value that the run will use.

A client's spec is validated, `JobSpec.model_validate`. A stored one is only read, `JobSpec.stored`.
"""

from math import ceil
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.jobspec.dataset import BUILT_IN_DATASETS, Augment, Dataset, DatasetFacts
from app.jobspec.layers import Layer, Linear, is_fully_connected
from app.jobspec.model import Model
from app.jobspec.preset_errors import explained
from app.jobspec.presets import PRESETS, PresetName, laid_over
from app.jobspec.run_options import Autopilot, Labels, RateRange, Resources
from app.jobspec.section import Section, Text, refusal
from app.jobspec.training import EarlyStopping, Loss, Optimizer, Schedule, Training, is_defined

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
    "RateRange",
    "Resources",
    "Schedule",
    "Section",
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
DestinationName = Annotated[str, Field(max_length=64), Text]


class JobSpec(Section):
    """A training job. `{}` is the reference: MNIST, 784-500-10, ReLU, SGD, 10 epochs."""

    preset: PresetName | None = None
    """A recipe that fills in what this spec leaves out; GET /presets lists them."""
    name: Name = "reference"
    """Free text for people."""
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=16)
    """Up to 16 pairs to filter jobs by."""
    webhooks: list[DestinationName] = Field(default=[], max_length=8)
    """Destinations, by the names that the operator gave them, that hear how the job ends."""
    dataset: Dataset = Dataset()
    """What to learn from."""
    model: Model = Model()
    """The network."""
    training: Training = Training()
    """How it learns."""
    resources: Resources = Resources()
    """What it may use."""
    requires: Labels = Field(default={}, max_length=8)
    """Labels that the worker must have, each with this value."""
    priority: int = Field(default=0, ge=-100, le=100)
    """Place among the waiting jobs of the same API key: each point counts as a minute of waiting.
    """
    diagnosis: bool = True
    """Whether the run is measured, and what is wrong with it found and said."""
    autopilot: Autopilot | None = None
    """Whether unhealthy runs are followed by corrected ones; not by default."""
    lr_range: RateRange | None = None
    """Only ramp the learning rate over a few mini-batches, and recommend one; trains no model."""

    @property
    def layers(self) -> list[Layer]:
        """The network, described."""
        return self.model.layers(self.dataset.facts)

    @property
    def frozen(self) -> list[Layer]:
        """The first layers, if training does not change them: a frozen backbone."""
        return self.model.backbone_layers(self.dataset.facts) if self.model.frozen else []

    @property
    def trained(self) -> list[Layer]:
        """The layers behind them, which training changes; mostly all."""
        return self.layers[len(self.frozen) :]

    @property
    def layer_sizes(self) -> list[int]:
        """Units of the fully connected layers, input and output too, such as [784, 500, 10]."""
        linear = [layer for layer in self.layers if isinstance(layer, Linear)]
        return [linear[0].inputs[0], *(layer.outputs[0] for layer in linear)]

    @property
    def parameters(self) -> int:
        """Trainable numbers of the network, without those of a frozen backbone."""
        return sum(layer.parameters for layer in self.trained)

    @property
    def has_chain_rule(self) -> bool:
        """Whether the gradients of this network can be computed by the chain rule's formulas."""
        return is_fully_connected(self.trained)

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
        """Mini-batches in an epoch; the last may be smaller.

        Batch normalization has no use for a last batch of one image: by chance of the order, each
        epoch leaves another image out.
        """
        images, size = self.dataset.training_images, self.training.batch_size
        return ceil(images / size) - (self.model.batch_norm and size > 1 and images % size == 1)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole job."""
        return self.steps_per_epoch * self.training.epochs

    @model_validator(mode="after")
    def _fits_the_kind_of_dataset(self) -> Self:
        if self.dataset.facts.kind == "table":
            if self.model.kind != "mlp":
                raise refusal("model.kind", "is for images; a table's rows take mlp")
            if self.dataset.augment is not None:
                raise refusal("dataset.augment", "is for images, and not for rows; leave it out")
        return self

    @model_validator(mode="after")
    def _fits_the_backbone(self) -> Self:
        facts, backbone = self.dataset.facts, self.model.backbone
        if backbone is None or facts.kind == "table":
            return self
        if facts.input_shape[0] not in (1, 3):
            raise refusal(
                "model.backbone",
                f"takes grey or colour images; {self.dataset.name} has "
                f"{facts.input_shape[0]} channels",
            )
        if self.dataset.normalization != "standard":
            raise refusal("dataset.normalization", "a backbone brings its own; leave it out")
        if self.model.frozen and self.dataset.augment is not None:
            raise refusal(
                "dataset.augment",
                "a frozen backbone sees each image once, so none can be distorted anew; leave it "
                "out, or set model.frozen to false",
            )
        return self

    @model_validator(mode="after")
    def _fits_the_service(self) -> Self:
        if any(min(layer.outputs) < 1 for layer in self.layers):
            raise refusal(
                "model.channels",
                "too many convolutions: each halves the image, and nothing of it would be left",
            )
        if self.parameters > MAX_PARAMETERS:
            raise refusal(
                "model.width" if self.model.kind == "resnet" else "model.hidden",
                f"the network would have {self.parameters} parameters, the limit is "
                f"{MAX_PARAMETERS}; use fewer or smaller layers",
            )
        if self.steps > MAX_STEPS:
            raise refusal(
                "training.epochs",
                f"the job would take {self.steps} steps, the limit is {MAX_STEPS}; "
                "use fewer epochs or larger batches",
            )
        return self

    @model_validator(mode="after")
    def _autopilot_has_what_it_follows(self) -> Self:
        if self.autopilot is not None and not self.diagnosis:
            raise refusal("autopilot", "follows the diagnosis, so it needs diagnosis: true")
        if self.autopilot is not None and self.lr_range is not None:
            raise refusal(
                "autopilot", "corrects models, and a range test trains none; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Self:
        training = self.training
        if self.dataset.validation_images == 0:
            by_plateau = training.schedule and training.schedule.name == "reduce_on_plateau"
            for field, used in {
                "training.early_stopping": training.early_stopping,
                "training.schedule": by_plateau,
            }.items():
                if used:
                    raise refusal(field, "needs a dataset.validation_fraction above 0")
        stopping, classes = training.early_stopping, self.dataset.facts.classes
        if stopping is not None and stopping.score and not is_defined(stopping.score, classes):
            raise refusal(
                "training.early_stopping.metric",
                f"{stopping.metric} is for "
                + ("more than 20" if stopping.score == "top_5_accuracy" else "two")
                + f" classes, and the dataset has {classes}",
            )
        weights = training.loss.class_weights
        if isinstance(weights, list) and len(weights) != self.dataset.facts.classes:
            raise refusal(
                "training.loss.class_weights",
                f"needs one weight for each of the {self.dataset.facts.classes} classes",
            )
        if isinstance(weights, list) and not any(weights):
            raise refusal("training.loss.class_weights", "needs a weight above 0")
        if self.model.output == "sigmoid" and self.dataset.facts.classes != 2:
            raise refusal(
                "model.output",
                f"sigmoid is for two classes, and the dataset has {self.dataset.facts.classes}; "
                "use softmax",
            )
        if self.model.batch_norm and training.batch_size == 1:
            raise refusal(
                "training.batch_size", "batch normalization needs two images in a batch or more"
            )
        workers = self.resources.workers
        if training.batch_size % workers:
            raise refusal(
                "resources.workers",
                f"each takes an equal share of a mini-batch, and {training.batch_size} images "
                f"(training.batch_size) cannot be shared by {workers}",
            )
        if self.model.batch_norm and workers > 1 and training.batch_size < 2 * workers:
            raise refusal(
                "resources.workers", "batch normalization needs two images for each worker or more"
            )
        if training.gradient == "chain_rule" and workers > 1:
            raise refusal("training.gradient", "chain_rule is for one worker; use auto")
        if training.gradient == "chain_rule" and not self.has_chain_rule:
            raise refusal(
                "training.gradient",
                "chain_rule is for fully connected networks without batch_norm, and for the "
                "output layer on a frozen backbone without dropout; use auto",
            )
        return self

    @model_validator(mode="wrap")  # the last one, so that it sees what the others refuse
    @classmethod
    def _fill_in_the_preset(cls, fields: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        preset = fields.get("preset") if isinstance(fields, dict) else None
        if not isinstance(preset, str) or preset not in PRESETS:
            return validate(fields)
        try:
            return validate(laid_over(PRESETS[preset].spec, fields))
        except ValidationError as error:
            raise explained(error, preset, fields, cls) from None
