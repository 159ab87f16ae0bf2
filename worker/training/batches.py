"""Mini-batches in seeded order, from images that stay where they are, normalized as they are drawn.

On a CPU images are never copied as a whole: batches are drawn by row number from the mapped file,
which, measured, is as fast as from memory once the kernel has read the pages. The kernel drops and
reads them again as it needs, so that a dataset may be larger than the memory. A GPU gets a copy if
it is small. Images stay uint8; scaling a batch costs nothing measurable.

The order of an epoch depends on the seed and the epoch alone, so a run can start at any batch of
any epoch. No choice made here touches the generator that training draws from.
"""

import warnings
from collections.abc import Callable, Iterator
from copy import copy
from itertools import islice
from math import ceil, prod

import numpy as np
import torch
from torch import Tensor

from worker.training.augmentation import Augmentation
from worker.training.dataset import Array, Description, TableDescription
from worker.training.inputs import PixelScale, scale, unchanged

HELD_BYTES = 2 * 2**30
"""Images of a part that a GPU holds at most; more are copied to it batch by batch."""
BLOCK = 512
"""Images that are copied to a GPU at a time."""
DRAWN = 2**18
"""Values of the images that are drawn together, where mini-batches are small: 1 MB, a part of a
processor's cache."""


class Images:
    """Some rows of images uint8 (N, C, H, W) with labels int64 (N,), for the device that trains."""

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        description: Description | TableDescription,
        device: torch.device,
        *,
        rows: Tensor | None = None,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> None:
        """Of the images those at `rows`, int64 (n,), in this order; all by default.

        Batches lie in memory as `layout` says.
        """
        self._device, self._layout = device, layout
        self._images, self._labels = images, labels
        self._rows = torch.arange(len(labels)) if rows is None else rows
        self._origins = self._rows
        if device.type != "cpu" and len(self._rows) * images[:1].nbytes <= HELD_BYTES:
            self._copy_to_device()
        self._scale: Callable[[Tensor], Tensor] = scale(description, device)

    def _copy_to_device(self) -> None:
        """Block by block, so that the images are nowhere else in memory as a whole."""
        blocks = self._rows.split(BLOCK)
        shape = (len(self._rows), *self._images.shape[1:])
        held = torch.empty(shape, dtype=self._images.dtype, device=self._device)
        for to, block in zip(held.split(BLOCK), blocks, strict=True):
            to.copy_(self._images.index_select(0, block))
        self._images, self._labels = held, self._labels[self._rows].to(self._device)
        self._rows = torch.arange(len(held), device=self._device)

    @property
    def labels(self) -> Tensor:
        """int64 (N,)."""
        return self._labels[self._rows].to(self._device)

    @property
    def origins(self) -> Tensor:
        """The row of each image among all that there were, int64 (N,) on the CPU."""
        return self._origins

    @property
    def pixels(self) -> int:
        """Rows times columns of an image."""
        return prod(self._images.shape[2:])

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images at these indices, normalized float32 (B, C, H, W), and their labels (B,)."""
        return self._normalized(self._rows[indices])

    def sample(self, most: int) -> "Images":
        """At most `most` of the images, at equal distances."""
        chosen = copy(self)
        step = max(1, -(-len(self) // most))
        chosen._rows, chosen._origins = self._rows[::step], self._origins[::step]
        return chosen

    def seen_as(self, features: Tensor) -> "Images":
        """The same examples, as a frozen part of a network sees them: rows of features (N, units),
        in the order of all images that there were."""
        seen = copy(self)
        has_all = self._rows is self._origins
        seen._images = features if has_all else features[self._origins].to(self._device)
        seen._layout, seen._scale = torch.contiguous_format, unchanged
        return seen

    def all(self) -> tuple[Tensor, Tensor]:
        """All images and labels, as from `draw`."""
        return self._normalized(self._rows)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, in batches of at most `size`."""
        for rows in self._rows.split(size):
            yield self._normalized(rows)

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
        order = self._rows[order.to(self._rows.device)]
        if augmentation is not None:
            for batch in range(first, ceil(len(self) / size)):
                rows = order[batch * size : (batch + 1) * size]
                yield self._distorted(rows, augmentation, generator(seed, epoch, batch))
            return
        # Each batch lies at the same place in its group wherever a run begins: the last bits of a
        # product depend on how its factors are aligned in memory.
        together = max(1, DRAWN // (size * prod(self._images.shape[1:])))
        for start in range(first - first % together, ceil(len(self) / size), together):
            images, labels = self._normalized(order[start * size : (start + together) * size])
            drawn = zip(images.split(size), labels.split(size), strict=True)
            yield from islice(drawn, max(0, first - start), None)

    def _normalized(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        images, labels = self._taken(rows)
        return self._scale(images).contiguous(memory_format=self._layout), labels

    def _distorted(
        self, rows: Tensor, augmentation: Augmentation, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        pixels, labels = self._taken(rows)
        if not isinstance(self._scale, PixelScale):
            raise TypeError("rows of a table are not distorted")
        images = augmentation(self._scale.to_unit(pixels), generator)
        return self._scale.of_unit(images).contiguous(memory_format=self._layout), labels

    def _taken(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The pixels as float32, a copy, and the labels of some rows."""
        images, labels = self._images.index_select(0, rows), self._labels.index_select(0, rows)
        if images.device.type != self._device.type:
            images, labels = images.to(self._device), labels.to(self._device)
        return images.to(torch.float32), labels


def mapped(images: Array) -> Tensor:
    """Images in a file, mapped for reading, as a tensor that must not be written to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that they cannot be written to
        return torch.from_numpy(images)


def generator(*numbers: int) -> torch.Generator:
    """A generator of its own for each sequence of numbers, such as seed, epoch, batch."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state)
