"""The training loop, as every textbook has it.

It yields after each step, so that whoever drives it can report, stop or save between two steps:
every yield is an exact boundary, but for the steps within a block (blocks.py).
"""

from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

Batch = tuple[Tensor, Tensor]
"""Images, shape (B, C, H, W), and labels, shape (B,)."""
Criterion = Callable[[Tensor, Tensor], Tensor]
"""The mean loss of outputs, shape (B, classes), against labels, shape (B,)."""


class OpenBlock(Protocol):
    """A block of mini-batches before its last step.

    The weights of the first layer are not those of the newest step yet; they are written at the
    block's end, or where the loop is closed before.
    """

    def first_weights(self, rows: slice) -> Tensor:
        """Some rows of the first layer's weights as they are after the newest step."""


class Step(NamedTuple):
    """What one step saw: labels (B,), outputs (B, classes) and the batch's mean loss, detached.

    Outputs may be overwritten by the next step, within a block by the step after its last one.
    """

    labels: Tensor
    outputs: Tensor
    loss: Tensor
    block: OpenBlock | None = None

    @property
    def is_boundary(self) -> bool:
        """Whether the network is that of this step: it can be read, saved and taken up again."""
        return self.block is None


def train(
    net: nn.Module, criterion: Criterion, optimizer: Optimizer, batches: Iterable[Batch]
) -> Generator[Step, None, None]:
    """Trains on each batch in turn."""
    net.train()
    for images, labels in batches:
        optimizer.zero_grad()
        outputs = net(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        yield Step(labels, outputs.detach(), loss.detach())
