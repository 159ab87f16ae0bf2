"""What training minimizes: the loss of a batch, and how batches add up to a mean over all of them.

With class weights w the mean loss of a set of images is sum_i l_i / sum_i w_{y_i}, where l_i is
already weighted. A mean over several batches is therefore not the mean of their means: each batch
counts by its `weight`.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from app import jobspec
from worker.training.loop import Criterion


class SquaredError(nn.Module):
    """The mean of the squared differences between outputs (B, C) and one-hot labels (B,)."""

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """A scalar."""
        one_hot = functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
        return functional.mse_loss(outputs, one_hot)


class SquaredErrorOfSigmoid(nn.Module):
    """The textbook's loss of one sigmoid unit y = sigmoid z: the mean of (y - t)^2, t = 0 or 1."""

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """A scalar, from outputs (0, z), shape (B, 2), and labels (B,)."""
        return functional.mse_loss(outputs[:, 1].sigmoid(), labels.to(outputs.dtype))


class WeightedCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy with a weight for each class, (C,).

    A label's loss counts by the weight of its class, with what smoothing spreads over the others.

    PyTorch's own function gives each of these parts the weight of the class that it goes to: of 99
    images of a frequent class the smoothed part alone would outweigh the labels of rare ones, and a
    network would call everything rare.

    Where every label of a batch has the weight 0, the loss and its gradient are 0: there is nothing
    to learn from it. PyTorch's own mean is 0 / 0 there.
    """

    weight: Tensor

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The weighted mean over a batch, a scalar."""
        return self.total(outputs, labels) * inverse(self.weight_of(labels))

    def total(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The sum of the weighted losses, a scalar."""
        each = functional.cross_entropy(
            outputs, labels, reduction="none", label_smoothing=self.label_smoothing
        )
        return each @ self.weight.index_select(0, labels).to(each.dtype)

    def weight_of(self, labels: Tensor) -> Tensor:
        """The sum of the weights of labels (B,), a scalar."""
        return self.weight.index_select(0, labels).sum()


def criterion(
    loss: jobspec.Loss, class_counts: Tensor, output: Literal["softmax", "sigmoid"] = "softmax"
) -> nn.Module:
    """The mean loss of outputs (B, C) against labels (B,).

    `class_counts` (C,) says how often each class is trained on. Balanced weights are
    n / (C * count), as in scikit-learn. The cross-entropy of one sigmoid unit is that of its two
    logits.
    """
    if loss.name == "mse":
        return SquaredErrorOfSigmoid() if output == "sigmoid" else SquaredError()
    if loss.class_weights is None:
        return nn.CrossEntropyLoss(label_smoothing=loss.label_smoothing)
    if loss.class_weights == "balanced":
        counts = class_counts.clamp(min=1).to(torch.float32)
        weights = counts.sum() / (len(counts) * counts)
    else:
        weights = torch.tensor(loss.class_weights, dtype=torch.float32, device=class_counts.device)
    return WeightedCrossEntropy(weights, label_smoothing=loss.label_smoothing)


def of_a_guess(loss: jobspec.Loss, classes: int) -> float:
    """The loss of a network that gives every class the same probability."""
    return (1 - 1 / classes) / classes if loss.name == "mse" else math.log(classes)


def least(loss: jobspec.Loss, classes: int) -> float:
    """The least possible loss: 0, or with smoothing the entropy of a smoothed label."""
    other = loss.label_smoothing / classes
    if not other:
        return 0.0
    own = 1 - loss.label_smoothing + other
    return -own * math.log(own) - (classes - 1) * other * math.log(other)


def weight(criterion: Criterion, labels: Tensor) -> int | Tensor:
    """How much a batch counts in a mean of losses: its size, or the sum of its class weights."""
    if isinstance(criterion, WeightedCrossEntropy):
        return criterion.weight_of(labels).double()
    return labels.shape[0]


def total(criterion: Criterion, outputs: Tensor, labels: Tensor) -> float:
    """The summed loss of a batch; divided by its weight, it is the mean loss."""
    if isinstance(criterion, WeightedCrossEntropy):
        return criterion.total(outputs, labels).item()
    return criterion(outputs, labels).item() * len(labels)


def inverse(weight: Tensor) -> Tensor:
    """1 / weight, and 0 for the weight 0."""
    return weight.reciprocal().nan_to_num(posinf=0.0)
