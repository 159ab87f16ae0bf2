"""What an epoch has added up so far: loss and right answers, as exact sums."""

import torch
from torch import Tensor

from worker.training.loop import Step


class Tally:
    """Sums over an epoch's steps, kept as tensors: reading one each step would wait for it."""

    def __init__(self, device: torch.device) -> None:
        self._samples = 0
        # batch losses; the same weighted by the batch's size; batch losses at the last line
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._batch_loss, self._sample_loss, self._logged = self._sums
        self._right = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, step: Step) -> None:
        """Counts a step in."""
        size = len(step.labels)
        self._samples += size
        self._batch_loss += step.loss
        self._sample_loss.add_(step.loss, alpha=size)
        self._right += (step.outputs.argmax(1) == step.labels).sum()

    def running_loss(self, batches: int) -> float:
        """Mean loss of the batches since the last call, which were so many."""
        mean = float(self._batch_loss - self._logged) / batches
        self._logged.copy_(self._batch_loss)
        return mean

    def mean_loss(self) -> float:
        """Mean loss over the samples."""
        return float(self._sample_loss) / self._samples

    def accuracy(self) -> float:
        """Share of right answers, each as the network was when it gave it."""
        return float(self._right) / self._samples

    def state(self) -> dict[str, Tensor]:
        """The sums, to be kept in a checkpoint."""
        samples = torch.tensor(self._samples)
        return {"sums": self._sums, "right": self._right, "samples": samples}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from kept sums."""
        self._sums.copy_(state["sums"])
        self._right.copy_(state["right"])
        self._samples = int(state["samples"])
