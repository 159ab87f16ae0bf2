"""The network that a job trains."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from app.jobspec.part import Part, refuse_unless

Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Annotated[int, Field(ge=1, le=256)]


class Model(Part):
    """The network between the dataset's pixels and its classes."""

    kind: Literal["mlp", "cnn"] = "mlp"
    """`mlp`: fully connected layers. `cnn`: convolutions before them, as in LeNet."""
    channels: list[Channels] | None = Field(default=None, min_length=1, max_length=4)
    """Channels of each convolution of a cnn, each followed by a halving; [16, 32] by default."""
    kernel: Literal[3, 5, 7] | None = None
    """Side of a convolution's square window in pixels; 5 by default, for a cnn only."""
    hidden: list[Width] = Field(default=[500], max_length=16)
    """Units of each fully connected layer before the output; [] has none."""
    activation: Literal["relu", "sigmoid", "tanh", "gelu", "leaky_relu", "none"] = "relu"
    """Function after each hidden layer."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability with which each hidden unit is silenced while training."""
    batch_norm: bool = False
    """Whether each hidden layer's inputs to the activation are normalized over the batch."""
    initialization: Literal["auto", "he", "glorot", "normal", "constant", "zeros"] = "auto"
    """Weights to start from; `auto` suits the activation, `normal` is N(0, 1), the last two are
    what not to do: units that start equal stay equal."""
    initial_bias: float = Field(default=0.0, ge=-10.0, le=10.0)
    """Bias that each hidden unit starts from."""

    @field_validator("channels", "kernel")
    @classmethod
    def _only_a_cnn_convolves(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("kind") == "cnn":
            return CNN_DEFAULTS[str(info.field_name)] if value is None else value
        refuse_unless(False, value, "only kind cnn takes it; leave it out")
        return None

    def feature_shapes(self, input_shape: Sequence[int]) -> list[tuple[int, int, int]]:
        """Channels, rows, columns at the input and after each convolution and its halving."""
        shapes = [(input_shape[0], input_shape[1], input_shape[2])]
        for channels in self.channels or []:
            _, rows, columns = shapes[-1]
            shapes.append((channels, rows // 2, columns // 2))
        return shapes

    def layer_sizes(self, input_shape: Sequence[int], classes: int) -> list[int]:
        """Units of the fully connected layers, input and output included."""
        return [prod(self.feature_shapes(input_shape)[-1]), *self.hidden, classes]

    def parameters(self, input_shape: Sequence[int], classes: int) -> int:
        """Weights and biases of the network, those of its normalizations included."""
        shapes = self.feature_shapes(input_shape)
        window = (self.kernel or 0) ** 2
        convolutions = sum(
            before[0] * after[0] * window + after[0] for before, after in pairwise(shapes)
        )
        sizes = self.layer_sizes(input_shape, classes)
        dense = sum(before * after + after for before, after in pairwise(sizes))
        normalized = sum(self.channels or []) + sum(self.hidden) if self.batch_norm else 0
        return convolutions + dense + 2 * normalized


CNN_DEFAULTS: dict[str, Any] = {"channels": [16, 32], "kernel": 5}
"""A small LeNet (LeCun et al. 1998)."""
