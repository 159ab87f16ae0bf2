"""The network that a job trains."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from app.jobspec import backbones, resnet
from app.jobspec.dataset import DatasetFacts
from app.jobspec.layers import (
    Activation,
    AveragePool,
    BatchNorm,
    BinaryLogits,
    Convolution,
    Dropout,
    Flatten,
    Function,
    GlobalAveragePool,
    Layer,
    Linear,
    MaxPool,
    Shape,
)
from app.jobspec.section import Section, refuse_unless

POOL = 2
"""Side of the pooling squares: each convolution halves the image."""
HIDDEN = [500]
"""Units of the hidden layers where a spec names none; a resnet and a pretrained one have none."""

Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Annotated[int, Field(ge=1, le=256)]


class Model(Section):
    """The network between the dataset's pixels and its classes."""

    kind: Literal["mlp", "cnn", "resnet", "pretrained"] = "mlp"
    """`mlp`: fully connected layers. `cnn`: convolutions before them, as in LeNet. `resnet`: the
    residual network that He et al. 2016 have for small images, of `blocks` and `width`.
    `pretrained`: a `backbone` that was trained on other pictures, with a new output layer."""
    backbone: backbones.Name | None = None
    """What a pretrained network starts from; resnet18 by default. An operator must have put its
    weights into TRAIND_BACKBONES."""
    frozen: bool | None = None
    """Whether only the new output layer of a pretrained network is trained, and the backbone stays
    as it is, so that what it makes of each image is computed once; true by default. If false,
    everything is trained further (fine-tuned)."""
    channels: list[Channels] | None = Field(default=None, min_length=1, max_length=4)
    """Channels of each convolution of a cnn, each followed by pooling that halves the image;
    [16, 32] by default."""
    kernel: Literal[3, 5, 7] | None = None
    """Side of a convolution's square window in pixels; 5 by default, for a cnn only."""
    pool: Literal["max", "average", "global"] | None = None
    """How a cnn halves the image after each convolution: by the maximum or the mean of each square
    of four pixels. `global` halves by the maximum, and gives the layers behind the convolutions the
    mean of each channel instead of every pixel. `max` by default, for a cnn only."""
    blocks: int | None = Field(default=None, ge=1, le=9)
    """Residual blocks of each of the three stages of a resnet; 1 by default. The network has
    6 * blocks + 2 layers with weights."""
    width: int | None = Field(default=None, ge=4, le=128)
    """Channels of a resnet's first stage, doubled in each of the two others; 16 by default."""
    hidden: list[Width] = Field(default=HIDDEN, max_length=16)
    """Units of each fully connected layer before the output; [] has none. A resnet and a pretrained
    network have none."""
    activation: Function = "relu"
    """Function after each hidden layer and each convolution; a backbone has its own."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability with which each hidden unit is set to zero while training; in a resnet and a
    pretrained network each channel's mean before the output."""
    batch_norm: bool = False
    """Whether what goes into each activation is normalized over the batch; needs a hidden layer or
    a convolution. A resnet always does, and a backbone; one that is frozen does it with the means
    that it was trained with."""
    output: Literal["softmax", "sigmoid"] = "softmax"
    """`softmax`: a unit for each class. `sigmoid`: one unit for two classes, which gives the
    probability of the second; the loss is then binary cross-entropy or, with `mse`, the textbook's
    squared error of one sigmoid."""
    initialization: Literal["auto", "he", "glorot", "normal", "constant", "zeros"] = "auto"
    """Weights to start from. `auto` suits the activation, `normal` draws from N(0, 1). `constant`
    and `zeros` show what not to do: units that start equal stay equal."""
    initial_bias: float = Field(default=0.0, ge=-10.0, le=10.0)
    """Bias that each hidden unit starts from."""

    @field_validator("backbone", "frozen", "channels", "kernel", "pool", "blocks", "width")
    @classmethod
    def _fits_the_kind(cls, value: Any, info: ValidationInfo) -> Any:
        field = str(info.field_name)
        kind = next(kind for kind, fields in DEFAULTS.items() if field in fields)
        if info.data.get("kind") == kind:
            return DEFAULTS[kind][field] if value is None else value
        refuse_unless(False, value is not None, f"only kind {kind} takes it")
        return None

    @field_validator("hidden")
    @classmethod
    def _a_resnet_has_none(cls, hidden: list[int], info: ValidationInfo) -> list[int]:
        if info.data.get("kind") not in ("resnet", "pretrained"):
            return hidden
        given = hidden != HIDDEN and hidden
        refuse_unless(
            False, given, f"a {info.data['kind']} network has no hidden layers of its own"
        )
        return []

    @field_validator("activation", "dropout", "batch_norm", "initial_bias")
    @classmethod
    def _has_layers_to_act_on(cls, value: Any, info: ValidationInfo) -> Any:
        if not {"kind", "hidden"} <= info.data.keys():  # one was refused: nothing to compare with
            return value
        if info.data["kind"] == "pretrained":
            given = value not in ("relu", 0) and info.field_name in ("activation", "initial_bias")
            refuse_unless(False, given, "a backbone has its own")
            return not info.data.get("frozen") if info.field_name == "batch_norm" else value
        if info.data["kind"] == "resnet":
            refuse_unless(info.field_name != "initial_bias", value, "a resnet has no such biases")
            return True if info.field_name == "batch_norm" else value
        given = value not in ("relu", "none", 0)
        applies, needed = bool(info.data["hidden"]), "a hidden layer"
        if info.field_name != "dropout":
            applies, needed = (
                applies or bool(info.data.get("channels")),
                f"{needed} or a convolution",
            )
        refuse_unless(applies, given, f"only a network with {needed} takes it")
        return value

    def layers(self, facts: DatasetFacts) -> list[Layer]:
        """The network from the images of a dataset to one logit for each class, in order."""
        shape: Shape = facts.input_shape
        made: list[Layer] = []
        if self.backbone is not None:
            made = self.backbone_layers(facts)
            made += self._dropout(made[-1].outputs)
        elif self.kind == "resnet":
            blocks, width = self.blocks or 1, self.width or 1
            made = resnet.layers(shape, blocks, width, self.activation)
            made += self._dropout(made[-1].outputs)
        else:
            for channels in self.channels or []:
                made += self._convolution(shape, channels)
                shape = made[-1].outputs
            flat = GlobalAveragePool if self.pool == "global" else Flatten
            made += [flat(shape, shape[:1] if self.pool == "global" else (prod(shape),))]
        for units in self.hidden:
            made += self._hidden(made[-1].outputs, units)
        if self.output == "sigmoid":
            unit = Linear(made[-1].outputs, (1,), feeds=None)
            return [*made, unit, BinaryLogits(unit.outputs, (2,))]
        return [*made, Linear(made[-1].outputs, (facts.classes,), feeds=None)]

    def backbone_layers(self, facts: DatasetFacts) -> list[Layer]:
        """The first layers of a pretrained network; other networks have none."""
        return backbones.layers(self.backbone, facts.input_shape) if self.backbone else []

    def _convolution(self, inputs: Shape, channels: int) -> list[Layer]:
        _, rows, columns = inputs
        full, halved = (channels, rows, columns), (channels, rows // POOL, columns // POOL)
        layers: list[Layer] = [Convolution(inputs, full, self.kernel or 1, self.activation)]
        if self.batch_norm:
            layers += [BatchNorm(full, full)]
        pool = AveragePool if self.pool == "average" else MaxPool
        return [*layers, Activation(full, full, self.activation), pool(full, halved, POOL)]

    def _hidden(self, inputs: Shape, width: int) -> list[Layer]:
        units = (width,)
        layers: list[Layer] = [Linear(inputs, units, self.activation)]
        if self.batch_norm:
            layers += [BatchNorm(units, units)]
        return [*layers, Activation(units, units, self.activation), *self._dropout(units)]

    def _dropout(self, units: Shape) -> list[Layer]:
        return [Dropout(units, units, self.dropout)] if self.dropout else []


DEFAULTS: dict[str, dict[str, Any]] = {
    "cnn": {"channels": [16, 32], "kernel": 5, "pool": "max"},
    "resnet": {"blocks": 1, "width": 16},
    "pretrained": {"backbone": "resnet18", "frozen": True},
}
"""The fields that only one kind takes. A small LeNet (LeCun et al. 1998), and ResNet-8."""
