"""The training loop, as every textbook has it.

It yields after each step, so that whoever drives it can report, stop or save between two steps:
every yield is an exact boundary.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

Batch = tuple[Tensor, Tensor]
"""Images, shape (B, C, H, W), and labels, shape (B,)."""
Criterion = Callable[[Tensor, Tensor], Tensor]
"""The mean loss of outputs, shape (B, classes), against labels, shape (B,)."""


class Step(NamedTuple):
    """What one step saw: labels (B,), outputs (B, classes) and the batch's mean loss, detached."""

    labels: Tensor
    outputs: Tensor
    loss: Tensor


def train(
    net: nn.Module, criterion: Criterion, optimizer: Optimizer, batches: Iterable[Batch]
) -> Iterator[Step]:
    """Trains on each batch in turn."""
    net.train()
    for images, labels in batches:
        optimizer.zero_grad()
        outputs = net(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        yield Step(labels, outputs.detach(), loss.detach())
