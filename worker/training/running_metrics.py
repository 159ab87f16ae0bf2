"""Loss and accuracy of the epoch so far, and the running loss: exact sums over its mini-batches."""

import torch
from torch import Tensor

from worker.training.loop import Step

Weight = float | Tensor


class RunningMetrics:
    """Sums over the steps of an epoch, kept as tensors: to read one each step would wait for it.

    `weight` is how much a batch counts in the epoch's mean loss, as `losses.weight` has it. In the
    running loss, as in the textbook, each mini-batch counts the same, unless classes have weights.
    """

    def __init__(self, device: torch.device) -> None:
        self._samples = 0
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._losses = torch.zeros(2, dtype=torch.float64, device=device)
        self._epoch_loss, self._recent_loss = self._losses
        self._epoch_weight: Weight = 0.0
        self._recent_weight: Weight = 0.0

    def add(self, step: Step, weight: int | Tensor) -> None:
        """Counts a step in."""
        self._samples += len(step.labels)
        self._correct += (step.outputs.argmax(1) == step.labels).sum()
        self._epoch_weight = self._epoch_weight + weight
        if isinstance(weight, Tensor):
            weighted = step.loss.double() * weight
            self._epoch_loss += weighted
            self._recent_loss += weighted
            self._recent_weight = self._recent_weight + weight
        else:
            self._epoch_loss.add_(step.loss, alpha=weight)
            self._recent_loss += step.loss
            self._recent_weight += 1

    def running_loss(self) -> float:
        """Mean loss of the mini-batches since the last call."""
        mean = _mean(self._recent_loss, self._recent_weight)
        self._recent_loss.zero_()
        self._recent_weight = 0.0
        return mean

    def mean_loss(self) -> float:
        """Mean loss over the samples of the epoch."""
        return _mean(self._epoch_loss, self._epoch_weight)

    def accuracy(self) -> float:
        """Fraction of correct predictions, each made just before its step."""
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


def _mean(total: Tensor, weight: Weight) -> float:
    """0 where nothing counts, for every label has the weight 0."""
    return float(total) / float(weight) if float(weight) else 0.0
