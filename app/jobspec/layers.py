"""A network as data: its layers in order, with their shapes and what they cost.

`Model.layers` describes the network once. The builder, the parameter count, the estimate of time
and the chain rule all read this description.

Shapes leave the batch out: (channels, rows, columns) for images, (units,) for vectors.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

Shape = tuple[int, ...]
Function = Literal["relu", "sigmoid", "tanh", "gelu", "leaky_relu", "none"]
"""The name of an activation function; `none` is the identity."""


@dataclass(frozen=True)
class Layer:
    """One operation: the shape that it takes and the shape that it gives."""

    inputs: Shape
    outputs: Shape

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return 0

    @property
    def multiplications(self) -> int:
        """Multiplications of the forward pass for one image; only of layers with weights."""
        return 0


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution, padded so that with stride 1 rows and columns stay the same."""

    kernel: int
    """Side of the square window in pixels."""
    feeds: Function
    """The activation that follows: initial weights depend on it."""
    stride: int = 1
    """Pixels from one window to the next."""
    bias: bool = True
    """Without one where batch normalization follows in any case, which would take it out again."""

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.outputs[0] * (self.inputs[0] * self.kernel**2 + self.bias)

    @property
    def multiplications(self) -> int:
        """One for each weight at each pixel."""
        return prod(self.outputs) * self.inputs[0] * self.kernel**2


@dataclass(frozen=True)
class Linear(Layer):
    """A fully connected layer with bias."""

    feeds: Function | None
    """The activation that follows; None for the output layer, which gives the logits."""

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.outputs[0] * (self.inputs[0] + 1)

    @property
    def multiplications(self) -> int:
        """One for each weight."""
        return self.outputs[0] * self.inputs[0]


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalization of each channel of an image, or of each unit of a vector."""

    @property
    def parameters(self) -> int:
        """A scale and a shift for each channel or unit."""
        return 2 * self.outputs[0]


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each value."""

    function: Function


@dataclass(frozen=True)
class MaxPool(Layer):
    """The maximum of each square of pixels; what is left over at the edge is dropped."""

    size: int
    """Side of the square in pixels."""
    stride: int | None = None
    """Pixels from one square to the next; its side if None."""
    padding: int = 0
    """Pixels that are added around the image, and are never the maximum."""


@dataclass(frozen=True)
class AveragePool(Layer):
    """The mean of each square of pixels; what is left over at the edge is dropped."""

    size: int
    """Side of the square in pixels."""


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """The mean of each channel: an image as a vector."""


@dataclass(frozen=True)
class Residual(Layer):
    """A residual block: its input is added to what its body makes of it.

    Where the body changes the shape, the shortcut gives it to the input; else it has no layers.
    """

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()

    @property
    def parameters(self) -> int:
        """Those of its layers."""
        return sum(layer.parameters for layer in (*self.body, *self.shortcut))

    @property
    def multiplications(self) -> int:
        """Those of its layers."""
        return sum(layer.multiplications for layer in (*self.body, *self.shortcut))


@dataclass(frozen=True)
class Standardize(Layer):
    """(x - mean) / std of each channel, with fixed numbers; grey images become coloured ones."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Flatten(Layer):
    """An image as a vector."""


@dataclass(frozen=True)
class BinaryLogits(Layer):
    """One logit z as those of two classes, (0, z).

    softmax (0, z) = (1 - sigmoid z, sigmoid z), and its cross-entropy is the binary one.
    """


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets each value to zero with this probability while training."""

    probability: float


def operations(layers: Iterable[Layer]) -> Iterator[Layer]:
    """The layers with those inside residual blocks in their place."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from operations((*layer.body, *layer.shortcut))
        else:
            yield layer


def is_fully_connected(layers: list[Layer]) -> bool:
    """Whether the chain rule is written out for every layer."""
    written_out = Flatten | Linear | Activation | Dropout | BinaryLogits
    drops_inputs = bool(layers) and isinstance(layers[0], Dropout)
    return not drops_inputs and all(isinstance(layer, written_out) for layer in layers)
