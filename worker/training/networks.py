"""The network that a spec describes."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from app.jobspec import JobSpec, Model

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "none": nn.Identity,
}

CONSTANT = 0.01
"""The weight that `constant` gives to all."""


def build(spec: JobSpec) -> nn.Sequential:
    """From pixels, shape (B, C, H, W), to logits, shape (B, classes).

    Draws the initial weights from torch's global generator.
    """
    model = spec.model
    layers: list[nn.Module] = []
    for before, after in pairwise(model.feature_shapes(spec.dataset.facts.input_shape)):
        layers += _convolution(model, before[0], after[0])
    layers += [nn.Flatten()]
    *hidden, (last, classes) = pairwise(spec.layer_sizes)
    for inputs, units in hidden:
        layers += _hidden(model, inputs, units)
    layers += [_initialized(nn.Linear(last, classes), model, hidden=False)]
    return nn.Sequential(*layers)


class Bfloat16(nn.Module):
    """A network whose products run in bfloat16, its weights, sums and outputs in float32."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._net = net

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float32 (B, classes)."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            logits: Tensor = self._net(images)
        return logits.float()


def _convolution(model: Model, before: int, after: int) -> list[nn.Module]:
    kernel = model.kernel or 1
    layers: list[nn.Module] = [
        _initialized(nn.Conv2d(before, after, kernel, padding=kernel // 2), model)
    ]
    if model.batch_norm:
        layers += [nn.BatchNorm2d(after)]
    return [*layers, ACTIVATIONS[model.activation](), nn.MaxPool2d(2)]


def _hidden(model: Model, inputs: int, units: int) -> list[nn.Module]:
    layers: list[nn.Module] = [_initialized(nn.Linear(inputs, units), model)]
    if model.batch_norm:
        layers += [nn.BatchNorm1d(units)]
    layers += [ACTIVATIONS[model.activation]()]
    return [*layers, nn.Dropout(model.dropout)] if model.dropout else layers


def _initialized(
    layer: nn.Linear | nn.Conv2d, model: Model, *, hidden: bool = True
) -> nn.Linear | nn.Conv2d:
    """The layer with the weights and biases that the spec starts from.

    `auto` keeps the signal's variance through the activation: He et al. 2015 for the rectifiers
    (gelu counts as one), Glorot and Bengio 2010 for the others and for the output layer.
    """
    activation = model.activation if hidden else "none"
    rectifies = activation in {"relu", "gelu", "leaky_relu"}
    match model.initialization:
        case "normal":
            nn.init.normal_(layer.weight)
        case "constant":
            nn.init.constant_(layer.weight, CONSTANT)
        case "zeros":
            nn.init.zeros_(layer.weight)
        case "auto" if not rectifies:
            gain = nn.init.calculate_gain("tanh" if activation == "tanh" else "linear")
            nn.init.xavier_uniform_(layer.weight, gain)
        case "glorot":
            nn.init.xavier_uniform_(layer.weight)
        case _ if activation == "leaky_relu":
            nn.init.kaiming_uniform_(layer.weight, a=0.01, nonlinearity="leaky_relu")
        case _:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.constant_(layer.bias, model.initial_bias if hidden else 0.0)
    return layer
