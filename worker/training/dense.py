"""The layers of a fully connected network as the chain rule sees them, and the derivatives of their
activations."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.jobspec.layers import (
    Activation,
    BinaryLogits,
    Dropout,
    Flatten,
    Function,
    Layer,
    Linear,
)

aten = torch.ops.aten

Derivative = Callable[[Tensor, Tensor], object]
"""Multiplies an error, in place, by f'(z), given f(z) (given z for gelu)."""

DERIVATIVES: dict[Function, Derivative] = {
    # f': 1 where f(z) > 0, else 0
    "relu": lambda error, a: aten.threshold_backward.grad_input(error, a, 0, grad_input=error),
    # f' = f (1 - f)
    "sigmoid": lambda error, a: aten.sigmoid_backward.grad_input(error, a, grad_input=error),
    # f' = 1 - f^2
    "tanh": lambda error, a: aten.tanh_backward.grad_input(error, a, grad_input=error),
    # f': 1 where f(z) > 0, else 0.01
    "leaky_relu": lambda error, a: aten.leaky_relu_backward.grad_input(
        error, a, 0.01, True, grad_input=error
    ),
    # f' = Phi(z) + z phi(z), with the normal distribution's Phi and phi
    "gelu": lambda error, z: aten.gelu_backward.grad_input(error, z, grad_input=error),
    "none": lambda error, _: error,
}


class Dense:
    """A fully connected layer with what follows it: weights (units, inputs), biases (units,).

    `weight` and `bias` share the memory of the module's parameters, without autograd's history.
    """

    def __init__(self, linear: nn.Linear) -> None:
        self.parameters = linear.weight, linear.bias
        self.weight, self.bias = linear.weight.detach(), linear.bias.detach()
        self.activation: Function = "none"
        self.dropout = 0.0


def fully_connected(net: nn.Sequential, layers: Sequence[Layer]) -> list[Dense]:
    """The layers of a network that was built from this description.

    Raises:
        TypeError: there is something else than fully connected layers in it.
    """
    found: list[Dense] = []
    for module, layer in zip(net, layers, strict=True):
        match layer:
            case Linear() if isinstance(module, nn.Linear):
                found.append(Dense(module))
            case Activation() if found:
                found[-1].activation = layer.function
            case Dropout() if found:
                found[-1].dropout = layer.probability
            case Flatten() | BinaryLogits():
                pass
            case _:
                kind = type(layer).__name__
                raise TypeError(f"the chain rule is not written out for {kind}")
    return found


def in_place(activation: Function, z: Tensor) -> None:
    """z <- f(z)."""
    match activation:
        case "relu":
            z.relu_()
        case "sigmoid":
            z.sigmoid_()
        case "tanh":
            z.tanh_()
        case "leaky_relu":
            functional.leaky_relu_(z)
