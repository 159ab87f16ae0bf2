"""The network that a spec describes."""

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from app.jobspec import JobSpec

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


def build(spec: JobSpec) -> nn.Sequential:
    """Fully connected layers from pixels, shape (B, C, H, W), to logits, shape (B, classes).

    Draws the initial weights from torch's global generator.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    *hidden, output = pairwise(spec.layer_sizes)
    for before, after in hidden:
        layers += [_linear(before, after, spec.model.activation)]
        layers += [ACTIVATIONS[spec.model.activation]()]
        if spec.model.dropout:
            layers += [nn.Dropout(spec.model.dropout)]
    layers += [_linear(*output, "linear")]
    return nn.Sequential(*layers)


def _linear(before: int, after: int, activation: str) -> nn.Linear:
    """A layer whose initial weights keep the signal's variance through the activation after it.

    He et al. 2015 for ReLU, Glorot and Bengio 2010 for the others; biases start at zero.
    """
    layer = nn.Linear(before, after)
    if activation == "relu":
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    else:
        gain = nn.init.calculate_gain("tanh" if activation == "tanh" else "linear")
        nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
