"""The network that a job trains."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from app.jobspec.dataset import DatasetFacts
from app.jobspec.layers import (
    Activation,
    BatchNorm,
    Convolution,
    Dropout,
    Flatten,
    Function,
    Layer,
    Linear,
    MaxPool,
    Shape,
)
from app.jobspec.section import Section, refuse_unless

POOL = 2
"""Side of the pooling squares: each convolution halves the image."""

Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Annotated[int, Field(ge=1, le=256)]


class Model(Section):
    """The network between the dataset's pixels and its classes."""

    kind: Literal["mlp", "cnn"] = "mlp"
    """`mlp`: fully connected layers. `cnn`: convolutions before them, as in LeNet."""
    channels: list[Channels] | None = Field(default=None, min_length=1, max_length=4)
    """Channels of each convolution of a cnn, each followed by max pooling that halves the image;
    [16, 32] by default."""
    kernel: Literal[3, 5, 7] | None = None
    """Side of a convolution's square window in pixels; 5 by default, for a cnn only."""
    hidden: list[Width] = Field(default=[500], max_length=16)
    """Units of each fully connected layer before the output; [] has none."""
    activation: Function = "relu"
    """Function after each hidden layer and each convolution."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability with which each hidden unit is set to zero while training."""
    batch_norm: bool = False
    """Whether what goes into each activation is normalized over the batch; needs a hidden layer or
    a convolution."""
    initialization: Literal["auto", "he", "glorot", "normal", "constant", "zeros"] = "auto"
    """Weights to start from. `auto` suits the activation, `normal` draws from N(0, 1). `constant`
    and `zeros` show what not to do: units that start equal stay equal."""
    initial_bias: float = Field(default=0.0, ge=-10.0, le=10.0)
    """Bias that each hidden unit starts from."""

    @field_validator("channels", "kernel")
    @classmethod
    def _only_a_cnn_convolves(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("kind") == "cnn":
            return CNN_DEFAULTS[str(info.field_name)] if value is None else value
        refuse_unless(False, value, "only kind cnn takes it")
        return None

    @field_validator("activation", "dropout", "batch_norm", "initial_bias")
    @classmethod
    def _has_layers_to_act_on(cls, value: Any, info: ValidationInfo) -> Any:
        if "hidden" not in info.data:  # it was refused, so there is nothing to compare with
            return value
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
        for channels in self.channels or []:
            made += self._convolution(shape, channels)
            shape = made[-1].outputs
        made += [Flatten(shape, (prod(shape),))]
        for units in self.hidden:
            made += self._hidden(made[-1].outputs, units)
        return [*made, Linear(made[-1].outputs, (facts.classes,), feeds=None)]

    def _convolution(self, inputs: Shape, channels: int) -> list[Layer]:
        _, rows, columns = inputs
        full, halved = (channels, rows, columns), (channels, rows // POOL, columns // POOL)
        layers: list[Layer] = [Convolution(inputs, full, self.kernel or 1, self.activation)]
        if self.batch_norm:
            layers += [BatchNorm(full, full)]
        return [*layers, Activation(full, full, self.activation), MaxPool(full, halved, POOL)]

    def _hidden(self, inputs: Shape, width: int) -> list[Layer]:
        units = (width,)
        layers: list[Layer] = [Linear(inputs, units, self.activation)]
        if self.batch_norm:
            layers += [BatchNorm(units, units)]
        layers += [Activation(units, units, self.activation)]
        return [*layers, Dropout(units, units, self.dropout)] if self.dropout else layers


CNN_DEFAULTS: dict[str, Any] = {"channels": [16, 32], "kernel": 5}
"""A small LeNet (LeCun et al. 1998)."""
