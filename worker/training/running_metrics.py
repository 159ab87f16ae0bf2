"""Loss and accuracy of the epoch so far, and the running loss: exact sums over its mini-batches."""

import torch
from torch import Tensor

from worker.training.loop import Step

Weight = float | Tensor


class RunningMetrics:
    """Sums over the steps of an epoch, kept as tensors: to read one each step would wait for it.

    `weight` is how much a batch counts in the epoch's mean loss, as `losses.weight` has it. In the
    running loss, as in the textbook, each mini-batch counts the same, unless classes have weights.

    The steps of a block are added up together at its end, whatever is asked before. So the sums of
    an epoch do not depend, to their last bit, on when somebody asks.
    """

    def __init__(self, device: torch.device) -> None:
        self._samples = 0
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._losses = torch.zeros(2, dtype=torch.float64, device=device)
        self._epoch_loss, self._recent_loss = self._losses
        self._epoch_weight: Weight = 0.0
        self._recent_weight: Weight = 0.0
        self._open: list[tuple[Step, int | Tensor]] = []
        self._logged = 0
        """Steps of `_open` that the running loss has counted."""

    def add(self, step: Step, weight: int | Tensor) -> None:
        """Counts a step in."""
        self._open.append((step, weight))
        if not step.is_boundary:
            return
        self._count_recent()
        loss, counted, size = _sums(self._open)
        self._epoch_loss.add_(loss, alpha=size)
        self._epoch_weight = self._epoch_weight + counted * size
        outputs = _joined([each.outputs for each, _ in self._open])
        labels = _joined([each.labels for each, _ in self._open])
        self._correct += (outputs.max(1).indices == labels).sum()
        self._samples += len(labels)
        self._open, self._logged = [], 0

    def _count_recent(self) -> None:
        """Counts the newest steps in the running loss."""
        new = self._open[self._logged :]
        if new:
            loss, counted, _ = _sums(new)
            self._recent_loss += loss
            self._recent_weight = self._recent_weight + counted
            self._logged = len(self._open)

    def running_loss(self) -> float:
        """Mean loss of the mini-batches since the last call."""
        self._count_recent()
        mean = _mean(self._recent_loss, self._recent_weight)
        self._recent_loss.zero_()
        self._recent_weight = 0.0
        return mean

    def mean_loss(self) -> float:
        """Mean loss over the samples of the epoch."""
        if not self._open:
            return _mean(self._epoch_loss, self._epoch_weight)
        loss, counted, size = _sums(self._open)
        return _mean(self._epoch_loss + loss * size, self._epoch_weight + counted * size)

    def accuracy(self) -> float:
        """Fraction of correct predictions, each made just before its step; at a boundary."""
        return float(self._correct) / self._samples

    def state(self) -> dict[str, Tensor]:
        """The sums, to be kept in a checkpoint."""
        weights = [float(self._epoch_weight), float(self._recent_weight)]
        return {
            "losses": self._losses,
            "weights": torch.tensor(weights, dtype=torch.float64),
            "correct": self._correct,
            "samples": torch.tensor(self._samples),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from kept sums."""
        self._losses.copy_(state["losses"])
        self._epoch_weight, self._recent_weight = state["weights"].tolist()
        self._correct.copy_(state["correct"])
        self._samples = int(state["samples"])


def upgraded(old: dict[str, Tensor], recent_batches: int) -> dict[str, Tensor]:
    """The sums of a checkpoint that was made before weights counted, as `restore` takes them.

    `recent_batches` have been added since the last running loss. Where classes have weights, the
    batches before the checkpoint count by their size in that epoch's mean loss.
    """
    batch_losses, sample_losses, logged = old["sums"].unbind()
    return {
        "losses": torch.stack([sample_losses, batch_losses - logged]),
        "weights": torch.tensor([float(old["samples"]), recent_batches], dtype=torch.float64),
        "correct": old["right"],
        "samples": old["samples"],
    }


def _sums(steps: list[tuple[Step, int | Tensor]]) -> tuple[Tensor, Weight, int]:
    """The sum of the losses of some steps of one block, how many count in it, and their size.

    Class weights count instead of steps; then the size is 1. All batches of a block have one size.
    """
    weight = steps[0][1]
    if isinstance(weight, Tensor):
        losses = torch.stack([step.loss for step, _ in steps]).double()
        weights = torch.stack([torch.as_tensor(each) for _, each in steps])
        return (losses * weights).sum(), weights.sum(), 1
    if len(steps) == 1:
        return steps[0][0].loss, 1, weight
    return torch.stack([step.loss for step, _ in steps]).double().sum(), len(steps), weight


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _mean(total: Tensor, weight: Weight) -> float:
    """0 where nothing counts, for every label has the weight 0."""
    return float(total) / float(weight) if float(weight) else 0.0
