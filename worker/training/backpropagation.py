"""The training loop with the chain rule written out, for fully connected networks.

The same steps as in `loop.train`, beside which this is to be read, with the gradients computed by
hand into buffers that are allocated once. For layers l = 1..L with weights W_l (units_l,
units_{l-1}), biases b_l, activation f, inputs a_0 = images (B, units_0):

    forward        z_l = a_{l-1} W_l^T + b_l        a_l = f(z_l), both (B, units_l)
    output error   d_L = dLoss/dz_L                 (B, classes)
    backward       d_l = (d_{l+1} W_{l+1}) * f'(z_l)
    gradients      dLoss/dW_l = d_l^T a_{l-1}       dLoss/db_l = sum of d_l over the batch

These are equations BP1 to BP4 of Nielsen, Neural Networks and Deep Learning (2015), chapter 2,
after Rumelhart, Hinton and Williams (1986). For softmax with cross-entropy against a target row t
whose sum is s, dLoss/dz = (softmax(z) s - t) / n; for the mean squared error of B * C outputs,
2 (z - t) / (B C). One sigmoid unit y = sigmoid(z) for two classes is softmax(0, z), so that its
binary cross-entropy has the first form; its mean squared error has 2 (y - t) y (1 - y) / B.

Where the optimizer is plain SGD, its update is folded into the products: the velocity
v <- m v + d^T a is one matrix product that accumulates, and no gradient is ever stored. It is the
optimizer's own velocity, so either loop can take a run over from the other.
"""

from collections.abc import Generator, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from worker.training.dense import DERIVATIVES, Dense, in_place
from worker.training.descent import updating
from worker.training.loop import Batch, Criterion, Step
from worker.training.losses import SquaredErrorOfSigmoid, inverse
from worker.training.products import multiply


def train(
    layers: list[Dense],
    criterion: Criterion,
    optimizer: Optimizer,
    batches: Iterable[Batch],
    precision: torch.dtype = torch.float32,
) -> Generator[Step, None, None]:
    """Trains fully connected layers on each batch in turn.

    `precision` is that of the matrix products. The criterion is one of `losses.criterion`.
    """
    rule = ChainRule(layers, criterion, optimizer, precision)
    for images, labels in batches:
        yield rule.step(images, labels)


BY_UNIT = 16
"""From this many images on, activations lie in memory unit by unit, and below image by image: the
products with weights (units, inputs) give them sooner so. Measured on a Sapphire Rapids processor:
steps of 32 to 128 images take 8 to 15% less time, and one of 4 would take 7% more."""


class Activations:
    """The buffers of one layer for one batch size, all (B, units)."""

    def __init__(
        self,
        layer: Dense,
        batch: int,
        precision: torch.dtype,
        *,
        by_unit: bool,
        sum: Tensor | None = None,
    ) -> None:
        units = len(layer.weight)
        new = partial(torch.empty, dtype=precision, device=layer.weight.device)

        def buffer() -> Tensor:
            return new(units, batch).t() if by_unit else new(batch, units)

        self.sum = buffer() if sum is None else sum
        """z: the weighted inputs."""
        self.value = buffer() if layer.activation == "gelu" else self.sum
        """f(z), in z's place unless the derivative needs z."""
        self.output = buffer() if layer.dropout else self.value
        """What the next layer sees."""
        # Always image by image, or units would be silenced in another order than by autograd.
        self.mask = new(batch, units) if layer.dropout else None
        self.error = buffer()
        """dLoss/dz."""


def activations(
    layers: list[Dense], batch: int, precision: torch.dtype, first_sum: Tensor | None = None
) -> list[Activations]:
    """Those of every layer; `first_sum` is the place of the first one's weighted inputs.

    The outputs of the network always lie class by class: the loss of 64 images is then computed in
    half the time.
    """
    return [
        Activations(
            layer,
            batch,
            precision,
            by_unit=batch >= BY_UNIT or layer is layers[-1],
            sum=None if number else first_sum,
        )
        for number, layer in enumerate(layers)
    ]


class Propagation:
    """What a step does behind the weighted inputs of the first layer: no weight is changed."""

    def __init__(
        self, layers: list[Dense], criterion: Criterion, precision: torch.dtype = torch.float32
    ) -> None:
        self._layers = layers
        self._precision = precision
        output = layers[-1].weight
        self._is_exact = precision == output.dtype
        self._is_binary = len(output) == 1
        classes = 2 if self._is_binary else len(output)
        self._loss_and_error = LossAndError(criterion, classes, output)

    def __call__(
        self,
        weights: list[Tensor],
        biases: list[Tensor],
        at: list[Activations],
        labels: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """From z_1, which `at` holds, forward to outputs and loss and back to every d_l."""
        outputs = self._forward(weights, biases, at).t()
        if self._is_binary:  # of the logits (0, z) the second is the unit's own
            outputs = functional.pad(outputs, (0, 0, 1, 0))
        loss, error = self._loss_and_error(outputs, labels)
        at[-1].error = (error[1:] if self._is_binary else error).t()
        self._backward(weights, at)
        return outputs.t(), loss

    def _forward(
        self, weights: list[Tensor], biases: list[Tensor], at: list[Activations]
    ) -> Tensor:
        for number, (layer, here) in enumerate(zip(self._layers, at, strict=True)):
            if number:
                inputs = at[number - 1].output
                multiply(inputs, weights[number].t(), here.sum).add_(biases[number])
            if layer.activation == "gelu":
                here.value.copy_(functional.gelu(here.sum))
            else:
                in_place(layer.activation, here.sum)
            if here.mask is not None:
                here.mask.bernoulli_(1 - layer.dropout).div_(1 - layer.dropout)
                torch.mul(here.value, here.mask, out=here.output)
        outputs = at[-1].sum
        return outputs if self._is_exact else outputs.to(self._layers[-1].weight.dtype)

    def _backward(self, weights: list[Tensor], at: list[Activations]) -> None:
        error = at[-1].error
        if not self._is_exact:
            error = at[-1].error = error.to(self._precision)
        for number in range(len(self._layers) - 2, -1, -1):
            here = at[number]
            error = multiply(error, weights[number + 1], here.error)
            if here.mask is not None:
                error.mul_(here.mask)
            function = self._layers[number].activation
            DERIVATIVES[function](error, here.sum if function == "gelu" else here.value)


class ChainRule:
    """Steps of gradient descent for one network."""

    def __init__(
        self,
        layers: list[Dense],
        criterion: Criterion,
        optimizer: Optimizer,
        precision: torch.dtype,
    ) -> None:
        self._layers = layers
        self._weights = [layer.weight for layer in self._layers]
        self._biases = [layer.bias for layer in self._layers]
        self._precision = precision
        self._propagate = Propagation(layers, criterion, precision)
        self._update = updating(self._layers, optimizer)
        self._buffers: dict[int, list[Activations]] = {}

    def step(self, images: Tensor, labels: Tensor) -> Step:
        """One step on images (B, ...) with labels (B,)."""
        batch = len(labels)
        if batch not in self._buffers:
            self._buffers[batch] = activations(self._layers, batch, self._precision)
        at = self._buffers[batch]
        inputs, weights, biases = images.flatten(1), self._weights, self._biases
        if self._precision != self._weights[0].dtype:
            inputs = inputs.to(self._precision)
            weights = [weight.to(self._precision) for weight in weights]
            biases = [bias.to(self._precision) for bias in biases]
        # Not addmm, which copies the bias into every row before it begins.
        multiply(inputs, weights[0].t(), at[0].sum).add_(biases[0])
        outputs, loss = self._propagate(weights, biases, at, labels)
        for layer, here in zip(self._layers, at, strict=True):
            self._update(layer, here.error.t(), inputs)
            inputs = here.output
        self._update.finish()
        return Step(labels, outputs, loss)


class LossAndError:
    """A loss and its derivative, from a table with a target column for each label."""

    def __init__(self, criterion: Criterion, classes: int, like: Tensor) -> None:
        one_hot = torch.eye(classes, dtype=like.dtype, device=like.device)
        self._cross_entropy = isinstance(criterion, nn.CrossEntropyLoss)
        self._one_sigmoid = isinstance(criterion, SquaredErrorOfSigmoid)
        self._weights = None
        self._columns = one_hot
        if isinstance(criterion, nn.CrossEntropyLoss):
            smoothing = criterion.label_smoothing
            weights = one_hot.new_ones(classes) if criterion.weight is None else criterion.weight
            rows = ((1 - smoothing) * one_hot + smoothing / classes) * weights.unsqueeze(1)
            self._columns = rows.t().contiguous()
            self._weights = None if criterion.weight is None else weights
        self._sums = self._columns.sum(0)  # s, of each label
        self._negative_means: dict[int, Tensor] = {}

    def __call__(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss and dLoss/dz, (classes, B), of outputs (classes, B)."""
        batch = labels.shape[0]
        if not self._cross_entropy:
            return self._squared_error(outputs, self._columns.index_select(1, labels))
        log_p = torch.log_softmax(outputs, 0)
        if self._weights is None:  # softmax(z) s - t, with s = 1, by one addition
            targets = self._negative_mean(batch).index_select(1, labels)
            loss = torch.dot(log_p.view(-1), targets.view(-1))
            return loss, targets.add_(log_p.exp_(), alpha=1 / batch)
        scale = inverse(self._weights.index_select(0, labels).sum())
        targets = self._columns.index_select(1, labels)
        loss = torch.dot(log_p.view(-1), targets.view(-1)).mul_(scale).neg_()
        error = log_p.exp_().mul_(self._sums.index_select(0, labels))
        return loss, error.sub_(targets).mul_(scale)

    def _squared_error(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not self._one_sigmoid:
            difference = outputs - targets
            mean = 1 / difference.numel()
            return difference.square().sum() * mean, difference.mul_(2 * mean)
        y = outputs.sigmoid()  # E = mean (y - t)^2, dE/dz = 2 (y - t) y (1 - y) / B
        difference = y - targets
        mean = 1 / difference.shape[1]
        loss = difference[1].square().sum() * mean
        return loss, difference.mul_(y).mul_(1 - y).mul_(2 * mean)

    def _negative_mean(self, batch: int) -> Tensor:
        """The table's columns, times -1 / B."""
        if batch not in self._negative_means:
            self._negative_means[batch] = self._columns / -batch
        return self._negative_means[batch]
