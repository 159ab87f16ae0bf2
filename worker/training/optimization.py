"""What training minimizes, and how the gradient changes the weights."""

from collections.abc import Iterable

from torch import nn, optim

from app import jobspec


def criterion(loss: jobspec.Loss) -> nn.Module:
    """The mean loss of logits, shape (B, classes), against labels, shape (B,)."""
    return nn.CrossEntropyLoss(label_smoothing=loss.label_smoothing)


def optimizer(chosen: jobspec.Optimizer, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """The update rule of the spec, fused: one pass over the weights instead of one an operation."""
    rate, decay = chosen.lr, chosen.weight_decay
    match chosen.name:
        case "sgd":
            momentum = chosen.momentum or 0.0
            return optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay, fused=True)
        case "adam":
            return optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
        case "adamw":
            return optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
