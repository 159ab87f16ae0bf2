"""Mini-batches from images in memory, in seeded order, normalized as they are drawn.

Images stay uint8, which takes a quarter of the memory of float32; scaling a batch costs nothing
measurable. The order of an epoch depends on the seed and the epoch alone, so a run can start at any
batch of any epoch. No choice made here touches the generator that training draws from.
"""

import warnings
from collections.abc import Iterator
from copy import copy
from math import ceil

import numpy as np
import torch
from torch import Tensor

from worker.training.augmentation import Augmentation
from worker.training.dataset import Array, Description


class Images:
    """Images uint8 (N, C, H, W) with labels int64 (N,), on the device that trains."""

    def __init__(
        self, images: Tensor, labels: Tensor, description: Description, device: torch.device
    ) -> None:
        self._images = images.to(device)
        self._highest = highest = description.pixel_range[1]
        self._labels = labels.to(device)
        # (pixel / highest - mean) / std, as one multiplication and one addition by channel
        scales = [1.0 / (highest * std) for std in description.std]
        self._scale = _by_channel(scales, device)
        self._scale_of_unit = _by_channel([scale * highest for scale in scales], device)
        pairs = zip(description.mean, description.std, strict=True)
        self._shift = _by_channel([-mean / std for mean, std in pairs], device)

    @property
    def labels(self) -> Tensor:
        """int64 (N,)."""
        return self._labels

    def __len__(self) -> int:
        return len(self._labels)

    def draw(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images at these indices, normalized float32 (B, C, H, W), and their labels (B,)."""
        images = self._images.index_select(0, indices).to(torch.float32)
        return images.mul_(self._scale).add_(self._shift), self._labels.index_select(0, indices)

    def sample(self, most: int) -> "Images":
        """At most `most` of the images, at equal distances."""
        chosen = copy(self)
        stride = max(1, -(-len(self) // most))
        chosen._images, chosen._labels = self._images[::stride], self._labels[::stride]
        return chosen

    def all(self) -> tuple[Tensor, Tensor]:
        """All images and labels, as from `draw`."""
        return self.draw(torch.arange(len(self), device=self._labels.device))

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, in batches of at most `size`."""
        for indices in torch.arange(len(self), device=self._labels.device).split(size):
            yield self.draw(indices)

    def shuffled(
        self,
        size: int,
        seed: int,
        epoch: int,
        first: int = 0,
        augmentation: Augmentation | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch from the batch `first` on; the last may be smaller."""
        order = torch.randperm(len(self), generator=generator(seed, epoch))
        order = order.to(self._labels.device)
        for batch in range(first, ceil(len(self) / size)):
            indices = order[batch * size : (batch + 1) * size]
            if augmentation is None:
                yield self.draw(indices)
            else:
                yield self._distorted(indices, augmentation, generator(seed, epoch, batch))

    def _distorted(
        self, indices: Tensor, augmentation: Augmentation, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        pixels = self._images.index_select(0, indices).to(torch.float32).div_(self._highest)
        images = augmentation(pixels, generator)
        normalized = images.mul(self._scale_of_unit).add_(self._shift)
        return normalized, self._labels.index_select(0, indices)


def mapped(images: Array) -> Tensor:
    """Images in a file, mapped for reading, as a tensor that must not be written to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that they cannot be written to
        return torch.from_numpy(images)


def _by_channel(values: list[float], device: torch.device) -> Tensor:
    """(C, 1, 1). Also for one channel: measured, a tensor takes half the time of a number."""
    return torch.tensor(values, device=device).view(-1, 1, 1)


def generator(*numbers: int) -> torch.Generator:
    """A generator of its own for each sequence of numbers, such as seed, epoch, batch."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state)
