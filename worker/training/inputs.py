"""What a network sees of stored examples: pixels and a table's numbers brought to a common scale,
categories spread out.

An exported graph begins with the same (graph.py).
"""

import torch
from torch import Tensor

from worker.training.dataset import Description, TableDescription


class PixelScale:
    """(pixel / highest - mean) / std, as one multiplication and one addition by channel, in place.

    Also for one channel: measured, a tensor takes half the time of a number.
    """

    def __init__(self, description: Description, device: torch.device) -> None:
        self._highest = highest = description.pixel_range[1]
        scales = [1.0 / (highest * std) for std in description.std]
        self._scale = _by_channel(scales, device)
        self._scale_of_unit = _by_channel([scale * highest for scale in scales], device)
        pairs = zip(description.mean, description.std, strict=True)
        self._shift = _by_channel([-mean / std for mean, std in pairs], device)

    def __call__(self, pixels: Tensor) -> Tensor:
        """float32 (B, C, H, W) as they are stored, normalized."""
        return pixels.mul_(self._scale).add_(self._shift)

    def to_unit(self, pixels: Tensor) -> Tensor:
        """The same on the scale 0 to 1."""
        return pixels.div_(self._highest)

    def of_unit(self, images: Tensor) -> Tensor:
        """Images on the scale 0 to 1, normalized."""
        return images.mul(self._scale_of_unit).add_(self._shift)


def _by_channel(values: list[float], device: torch.device) -> Tensor:
    """(C, 1, 1)."""
    return torch.tensor(values, device=device).view(-1, 1, 1)


class Rows:
    """Numbers as (x - mean) / std, and categories spread out, a place for each (one-hot).

    A missing number is seen as the mean; where training rows lack it, a further place says so. A
    category without a place of its own, -1, is seen as zeros. The network sees all numbers first,
    then which of them are missing, then the places of the categories.
    """

    def __init__(self, description: TableDescription, device: torch.device | None = None) -> None:
        def indices(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.int64, device=device)

        columns = list(enumerate(description.columns))
        self.numbers = indices([at for at, column in columns if not column.is_category])
        """Where the numbers are among the columns."""
        self.categories = indices([at for at, column in columns if column.is_category])
        """Where the categories are."""
        numeric = [column for _, column in columns if not column.is_category]
        self.shift = torch.tensor([column.mean for column in numeric], device=device)
        self.scale = torch.tensor([1 / column.std for column in numeric], device=device)
        self.lacking = indices([at for at, column in enumerate(numeric) if column.has_missing])
        """Which numbers training rows lack."""
        categorical = enumerate(column for _, column in columns if column.is_category)
        places = [(at, place) for at, column in categorical for place in range(column.width)]
        self.column = indices([at for at, _ in places])
        """Of each place, which of the categories it belongs to."""
        self.place = indices([place for _, place in places])
        """Of each place, the value that it stands for."""
        self._place = self.place.to(torch.float32)

    def __call__(self, rows: Tensor) -> Tensor:
        """float32 (B, columns) as they are stored to what the network sees, float32 (B, width)."""
        numbers = rows.index_select(1, self.numbers)
        missing = numbers.isnan()
        scaled = numbers.sub_(self.shift).mul_(self.scale).masked_fill_(missing, 0.0)
        lacking = missing.index_select(1, self.lacking)
        categories = rows.index_select(1, self.categories)
        places = categories.index_select(1, self.column) == self._place
        return torch.cat([scaled, lacking.to(rows.dtype), places.to(rows.dtype)], 1)


def unchanged(features: Tensor) -> Tensor:
    """Features of a frozen backbone, float32 (B, units), as they are."""
    return features


def scale(description: Description | TableDescription, device: torch.device) -> PixelScale | Rows:
    """What makes stored examples, as float32, what a network sees; it may write to them."""
    if isinstance(description, TableDescription):
        return Rows(description, device)
    return PixelScale(description, device)
