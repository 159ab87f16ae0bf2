"""Distortions that are usual for colour pictures, of whole batches, from a generator of their own.

Images are float32 (B, C, H, W) on the scale 0 to 1. Random numbers are drawn on the CPU, so that
they are the same on every device.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

LONGEST = 4 / 3
"""Largest change of an image's aspect by a crop, as in Szegedy et al. 2015."""
ERASED = (0.02, 0.4)
"""Least and largest part of an image's area that is erased (Zhong et al. 2020, section 4)."""
NARROWEST = 0.3
"""Least ratio of the sides of the rectangle that is erased, from the same source."""
LUMA = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in a grey of the same brightness (ITU-R BT.601)."""


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image or its mirror image, left and right exchanged, with equal probability."""
    mirrored = _drawn(len(images), generator, images) < 0.5
    return torch.where(mirrored, images.flip(3), images)


def crop(images: Tensor, least: float, generator: torch.Generator) -> Tensor:
    """A part of each image, at least `least` of its area, stretched to the whole image.

    Area and, on a logarithmic scale, aspect are drawn uniformly (Szegedy et al. 2015). A side that
    would be longer than the image is the image's.
    """
    zero = torch.zeros(len(images), device=images.device)
    height, width = _sides(images, (least, 1.0), LONGEST, generator)
    down, right = (_drawn(len(images), generator, images).flatten() * 2 - 1 for _ in range(2))
    # from -1 to 1 over the image, as grid_sample has it
    rows = [width, zero, right * (1 - width), zero, height, down * (1 - height)]
    maps = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def color(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation times a factor of 1 - strength to 1 + strength each.

    Contrast is about the image's mean grey, saturation about the grey of each pixel. Images of one
    channel have no saturation.
    """
    brightness, contrast, saturation = (
        1 + strength * (_drawn(len(images), generator, images) * 2 - 1) for _ in range(3)
    )
    images = (images * brightness).clamp_(0, 1)
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    images = torch.lerp(mean, images, contrast).clamp_(0, 1)
    return torch.lerp(_grey(images), images, saturation).clamp_(0, 1)


def erase(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """A rectangle of some images is replaced by uniform noise (Zhong et al. 2020)."""
    count, _, rows, columns = images.shape
    erased = _drawn(count, generator, images) < probability
    height, width = _sides(images, ERASED, 1 / NARROWEST, generator)
    inside = [
        _span(length, size, _drawn(count, generator, images).flatten())
        for length, size in ((height, rows), (width, columns))
    ]
    rectangle = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    noise = torch.rand(images.shape, generator=generator).to(images.device)
    return torch.where(rectangle & erased, noise, images)


def _drawn(count: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """A number from 0 to 1 for each image, (B, 1, 1, 1)."""
    return torch.rand(count, generator=generator).to(like.device).view(-1, 1, 1, 1)


def _sides(
    images: Tensor, areas: tuple[float, float], longest: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Heights and widths (B,) of rectangles, as fractions of the image's.

    Areas are between the two fractions, aspects between 1 / longest and longest.
    """
    least, largest = areas
    area = least + _drawn(len(images), generator, images).flatten() * (largest - least)
    tall = _drawn(len(images), generator, images).flatten() * 2 - 1
    aspect = (tall * math.log(longest)).exp()
    return (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)


def _span(length: Tensor, size: int, at: Tensor) -> Tensor:
    """Which of `size` pixels are within a span of this length, (B, size).

    Lengths are fractions of the whole; `at` says from 0 to 1 where between the edges it lies.
    """
    pixels = (length * size).round()
    first = (at * (size - pixels)).round()[:, None]
    positions = torch.arange(size, device=at.device)[None]
    return (positions >= first) & (positions < first + pixels[:, None])


def _grey(images: Tensor) -> Tensor:
    """(B, 1, H, W)."""
    if images.shape[1] != len(LUMA):
        return images.mean(1, keepdim=True)
    parts = torch.tensor(LUMA, device=images.device).view(1, -1, 1, 1)
    return (images * parts).sum(1, keepdim=True)
