"""The layers of a fully connected network, and the derivatives of its activations."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

aten = torch.ops.aten

Derivative = Callable[[Tensor, Tensor], object]
"""Multiplies an error, in place, by f'(z), given f(z) (or z itself for gelu)."""

DERIVATIVES: dict[type[nn.Module], Derivative] = {
    # f': 1 where f(z) > 0, else 0
    nn.ReLU: lambda error, a: aten.threshold_backward.grad_input(error, a, 0, grad_input=error),
    # f' = f (1 - f)
    nn.Sigmoid: lambda error, a: aten.sigmoid_backward.grad_input(error, a, grad_input=error),
    # f' = 1 - f^2
    nn.Tanh: lambda error, a: aten.tanh_backward.grad_input(error, a, grad_input=error),
    # f': 1 where f(z) > 0, else 0.01
    nn.LeakyReLU: lambda error, a: aten.leaky_relu_backward.grad_input(
        error, a, 0.01, True, grad_input=error
    ),
    # f' = Phi(z) + z phi(z), with the normal distribution's Phi and phi
    nn.GELU: lambda error, z: aten.gelu_backward.grad_input(error, z, grad_input=error),
    nn.Identity: lambda error, _: error,
}


class Layer:
    """A fully connected layer and what follows it: weights (units, inputs), biases (units,).

    The tensors share the memory of the network's parameters; without their history of operations.
    """

    def __init__(self, linear: nn.Linear) -> None:
        self.parameters = linear.weight, linear.bias
        self.weight, self.bias = linear.weight.detach(), linear.bias.detach()
        self.activation: nn.Module = nn.Identity()
        self.dropout = 0.0


def fully_connected(net: nn.Sequential) -> list[Layer]:
    """The layers of a network from `networks.build`.

    Raises:
        TypeError: there is something else than fully connected layers in it.
    """
    layers: list[Layer] = []
    for module in net:
        if isinstance(module, nn.Linear):
            layers.append(Layer(module))
        elif type(module) in DERIVATIVES and layers:
            layers[-1].activation = module
        elif isinstance(module, nn.Dropout) and layers:
            layers[-1].dropout = module.p
        elif not isinstance(module, nn.Flatten):
            raise TypeError(f"the chain rule is not written out for {type(module).__name__}")
    return layers


def in_place(activation: nn.Module, z: Tensor) -> None:
    """z <- f(z)."""
    match activation:
        case nn.ReLU():
            z.relu_()
        case nn.Sigmoid():
            z.sigmoid_()
        case nn.Tanh():
            z.tanh_()
        case nn.LeakyReLU():
            functional.leaky_relu_(z)
