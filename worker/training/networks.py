"""The PyTorch network that a spec describes."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from app.jobspec import JobSpec, Model
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
    Residual,
    Standardize,
)

ACTIVATIONS: dict[Function, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "none": nn.Identity,
}

CONSTANT = 0.01
"""Every weight of the initialization `constant`."""


def build(spec: JobSpec) -> nn.Sequential:
    """From pixels, shape (B, C, H, W), to logits, shape (B, classes): a module for each layer.

    Without a frozen backbone, from whose features, (B, units), the network then starts. Draws the
    initial weights from torch's global generator, layer by layer.
    """
    return _sequence(spec.trained, spec.model)


def blank(layers: Iterable[Layer]) -> nn.Sequential:
    """A network of these layers on torch's `meta` device: without numbers yet."""
    with torch.device("meta"):
        return _sequence(layers, Model())


class ResidualBlock(nn.Module):
    """The sum of what a body makes of a signal and of the signal, brought to the same shape."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, signal: Tensor) -> Tensor:
        """(B, C, H, W) to the shape that the body gives."""
        total: Tensor = self.body(signal) + self.shortcut(signal)
        return total


class Scale(nn.Module):
    """(x - mean) / std of each channel; one channel becomes as many as there are means."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self._mean, self._std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1 or C, H, W) to (B, C, H, W)."""
        mean, std = (images.new_tensor(each).view(-1, 1, 1) for each in (self._mean, self._std))
        return (images - mean) / std


class GlobalAverage(nn.Module):
    """The mean of each channel."""

    def forward(self, signal: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C)."""
        return signal.mean((2, 3))


class OneUnit(nn.Module):
    """The logits of two classes from that of the second: (0, z)."""

    def forward(self, logit: Tensor) -> Tensor:
        """(B, 1) to (B, 2)."""
        return torch.cat([torch.zeros_like(logit), logit], 1)


Weighted = nn.Linear | nn.Conv2d


def weighted(net: nn.Module) -> list[Weighted]:
    """The layers with weights, those inside residual blocks too, in the order of the signal."""
    return [module for module in net.modules() if isinstance(module, Weighted)]


def _sequence(layers: Iterable[Layer], model: Model) -> nn.Sequential:
    return nn.Sequential(*(_module(layer, model) for layer in layers))


def _module(layer: Layer, model: Model) -> nn.Module:
    match layer:
        case Convolution(inputs=(before, *_), outputs=(after, *_), kernel=kernel):
            convolution = nn.Conv2d(
                before, after, kernel, layer.stride, padding=kernel // 2, bias=layer.bias
            )
            return _initialized(convolution, model, layer.feeds)
        case Linear(inputs=(before,), outputs=(after,)):
            return _initialized(nn.Linear(before, after), model, layer.feeds)
        case BatchNorm(outputs=(channels, _, _)):
            return nn.BatchNorm2d(channels)
        case BatchNorm(outputs=(units,)):
            return nn.BatchNorm1d(units)
        case Residual(body=body, shortcut=shortcut):
            return ResidualBlock(_sequence(body, model), _sequence(shortcut, model))
    return _without_weights(layer)


def _without_weights(layer: Layer) -> nn.Module:
    match layer:
        case Activation(function=function):
            return ACTIVATIONS[function]()
        case MaxPool(size=size):
            return nn.MaxPool2d(size, layer.stride, layer.padding)
        case AveragePool(size=size):
            return nn.AvgPool2d(size)
        case GlobalAveragePool():
            return GlobalAverage()
        case Standardize(mean=mean, std=std):
            return Scale(mean, std)
        case Flatten():
            return nn.Flatten()
        case BinaryLogits():
            return OneUnit()
        case Dropout(probability=probability):
            return nn.Dropout(probability)
    raise TypeError(f"no module is known for {layer}")


def _initialized(
    module: nn.Linear | nn.Conv2d, model: Model, feeds: Function | None
) -> nn.Linear | nn.Conv2d:
    """The module with the weights and biases that the spec starts from.

    `auto` keeps the variance of the signal through the activation that the module feeds: He et al.
    2015 for the rectifiers (gelu counts as one), Glorot and Bengio 2010 for the others and for the
    output layer, which feeds none.
    """
    activation = feeds or "none"
    match model.initialization:
        case "normal":
            nn.init.normal_(module.weight)
        case "constant":
            nn.init.constant_(module.weight, CONSTANT)
        case "zeros":
            nn.init.zeros_(module.weight)
        case "auto" if activation not in {"relu", "gelu", "leaky_relu"}:
            gain = nn.init.calculate_gain("tanh" if activation == "tanh" else "linear")
            nn.init.xavier_uniform_(module.weight, gain)
        case "glorot":
            nn.init.xavier_uniform_(module.weight)
        case _ if activation == "leaky_relu":
            nn.init.kaiming_uniform_(module.weight, a=0.01, nonlinearity="leaky_relu")
        case _:
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
    if module.bias is not None:
        nn.init.constant_(module.bias, 0.0 if feeds is None else model.initial_bias)
    return module


class Bfloat16(nn.Module):
    """A network with products in bfloat16; weights, sums and outputs stay float32."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._net = net

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float32 (B, classes)."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            logits: Tensor = self._net(images)
        return logits.float()
