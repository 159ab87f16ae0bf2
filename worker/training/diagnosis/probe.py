"""Measures a network between two steps and leaves it as it was: weights, buffers, random state.

Gradients come from `torch.autograd.grad`, which leaves `.grad` alone. Dropout is left out. Batch
normalization uses the probe's own statistics, as in training; its running statistics are restored.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from worker.training.batches import Images
from worker.training.loop import Batch, Criterion, Step
from worker.training.measurements import Activation, Layer, Reading
from worker.training.networks import ResidualBlock, Weighted, weighted

IMAGES = 128
"""Images of a probe, at most."""
FEWEST, PIXELS = 16, IMAGES * 48 * 48
"""Of images above 48x48 pixels a probe takes fewer: together they have at most this many pixels."""
ROWS = 64
"""Rows of a layer's weights whose change is measured, at most about."""
FLAT = 0.02
"""Distance from the ends of a sigmoid or tanh within which it is saturated."""
NOTHING = 1e-30


def batch(images: Images) -> Batch:
    """The training images that a network is measured on."""
    fitting = max(FEWEST, PIXELS // images.pixels)
    return images.sample(min(IMAGES, fitting)).all()


class Probe:
    """Measures one network on one batch: images (B, C, H, W), labels (B,)."""

    def __init__(self, net: nn.Sequential, criterion: Criterion, batch: Batch) -> None:
        self._net = net
        self._criterion = criterion
        self._images, self._labels = batch
        self._weighted = weighted(net)
        self._before: list[Tensor] = []

    def read(self, step: int, epoch: int) -> Reading:
        """Measures the network, and copies some of its weights for `updates`."""
        with _untouched(self._net):
            inputs, sums, activations, outputs = self._forward()
            loss = self._criterion(outputs, self._labels)
            weights = [module.weight for module in self._weighted]
            gradients = torch.autograd.grad(loss, [*weights, *sums])
        of_weights, of_sums = gradients[: len(weights)], gradients[len(weights) :]
        probabilities = outputs.detach().softmax(1)
        answers = probabilities.argmax(1).bincount(minlength=outputs.shape[1])
        entropy = -(probabilities * probabilities.clamp_min(NOTHING).log()).sum(1).mean()
        self._before = [_some(weight).clone() for weight in weights]
        return Reading(
            step=step,
            epoch=epoch,
            loss=loss.item(),
            entropy=entropy.item(),
            answers=(answers / len(self._labels)).tolist(),
            logits=outputs.detach().std().item(),
            noise=_noise(self._weighted, inputs, of_sums, of_weights),
            layers=[
                Layer(gradient.norm().item(), weight.detach().norm().item(), _spread(weight))
                for gradient, weight in zip(of_weights, weights, strict=True)
            ],
            activations=activations,
        )

    def updates(self, step: Step) -> list[float]:
        """Change since `read`, by this step, as a fraction of each layer's weights."""
        changes = []
        for module, before in zip(self._weighted, self._before, strict=True):
            if step.block is not None and module is self._weighted[0]:
                now = step.block.first_weights(_chosen(module.weight))
            else:
                now = _some(module.weight)
            change = (now - before).norm() / (before.norm() + NOTHING)
            changes.append(change.item())
        self._before = []
        return changes

    def _forward(self) -> tuple[list[Tensor], list[Tensor], list[Activation], Tensor]:
        """Inputs and weighted sums of each layer, measured activations, and the outputs."""
        inputs: list[Tensor] = []
        sums: list[Tensor] = []
        activations: list[Activation] = []

        def through(module: nn.Module, signal: Tensor) -> Tensor:
            match module:
                case nn.Dropout():
                    return signal
                case nn.Sequential():
                    for each in module:
                        signal = through(each, signal)
                    return signal
                case ResidualBlock():
                    return through(module.body, signal) + through(module.shortcut, signal)
            after: Tensor = module(signal)
            if module in self._weighted:
                inputs.append(signal.detach())
                sums.append(after)
            elif _is_activation(module):
                activations.append(_activation(module, after.detach()))
            return after

        return inputs, sums, activations, through(self._net, self._images)


@contextmanager
def _untouched(net: nn.Module) -> Iterator[None]:
    """Batch normalization in training mode, and everything as it was afterwards."""
    modes = {module: module.training for module in net.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    net.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for buffer, kept in buffers:
            buffer.copy_(kept)


def _is_activation(module: nn.Module) -> bool:
    kinds = nn.ReLU | nn.LeakyReLU | nn.GELU | nn.Sigmoid | nn.Tanh | nn.Identity
    return isinstance(module, kinds)


def _activation(module: nn.Module, values: Tensor) -> Activation:
    """Of values (B, units) or, of a convolution, (B, channels, H, W)."""
    units = values.transpose(0, 1).flatten(1)
    dead = (units.abs().amax(1) == 0).float().mean().item() if isinstance(module, nn.ReLU) else 0.0
    flat = 0.0
    if isinstance(module, nn.Sigmoid):
        flat = ((units < FLAT) | (units > 1 - FLAT)).float().mean().item()
    elif isinstance(module, nn.Tanh):
        flat = (units.abs() > 1 - FLAT).float().mean().item()
    return Activation(dead=dead, saturated=flat)


def _spread(weight: Tensor) -> float:
    """0 where all units of a layer (units, ...) have the same weights."""
    rows = _some(weight).flatten(1)
    if len(rows) == 1:
        return 1.0
    return (rows.std(0).mean() / (rows.abs().mean() + NOTHING)).item()


def _some(weight: Tensor) -> Tensor:
    """About `ROWS` rows at most, evenly spaced."""
    return weight.detach()[_chosen(weight)]


def _chosen(weight: Tensor) -> slice:
    return slice(None, None, max(1, len(weight) // ROWS))


def _noise(
    modules: list[Weighted],
    inputs: list[Tensor],
    of_sums: tuple[Tensor, ...],
    of_weights: tuple[Tensor, ...],
) -> float | None:
    """The simple noise scale tr(S) / |G|^2 of McCandlish et al. 2018, over the dense layers.

    A dense layer's gradient for one image is an outer product, so that its squared norm is the
    product of those of the error and of the input.
    """
    signal = each = 0.0
    for module, given, error, gradient in zip(modules, inputs, of_sums, of_weights, strict=True):
        if isinstance(module, nn.Linear):
            batch = len(given)
            squares = given.square().sum(1) * error.square().sum(1) * batch**2
            each += squares.mean().item()
            signal += gradient.square().sum().item()
    return (each - signal) / signal if signal > NOTHING else None
