"""Random distortions of whole batches, as tensors, from a generator of their own."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from app.jobspec import Augment
from worker.training import picture_augmentation

COARSE = 4
"""Points a side of the grid on which elastic bending is drawn; it is smooth between them."""


class Augmentation:
    """Shifts, turns, scales and bends images in one resampling, adds noise, and then does what is
    usual for pictures.

    The bending follows Simard, Steinkraus and Platt 2003: random displacements, smoothed.
    """

    def __init__(self, augment: Augment, input_shape: Sequence[int], device: torch.device) -> None:
        self._augment = augment
        _, self._rows, self._columns = input_shape
        identity = torch.eye(2, 3, device=device).unsqueeze(0)
        size = [1, 1, self._rows, self._columns]
        self._identity = functional.affine_grid(identity, size, align_corners=False)
        self._ones = torch.ones(self._rows, self._columns, 1, device=device)
        self._moves = bool(augment.shift or augment.rotation or augment.scale)
        self._device = device

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Distorted images, float32 (B, C, H, W) on the scale 0 to 1, as those given."""
        if self._moves or self._augment.elastic:
            grid = self._identity.expand(len(images), -1, -1, -1)
            if self._moves:
                coordinates = torch.cat([self._identity[0], self._ones], dim=2)
                matrices = self.matrices(len(images), generator)
                grid = torch.einsum("hwk,bck->bhwc", coordinates, matrices)
            if self._augment.elastic:
                grid = grid + self.bending(len(images), generator)
            images = functional.grid_sample(images, grid, align_corners=False)
        if self._augment.noise:
            noise = torch.randn(images.shape, generator=generator).to(self._device)
            images = (images + noise * self._augment.noise).clamp_(0, 1)
        return self._as_pictures(images, generator)

    def _as_pictures(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Drawn after all others: specs that do not ask for these give the images as ever."""
        augment = self._augment
        if augment.flip:
            images = picture_augmentation.flip(images, generator)
        if augment.crop is not None and augment.crop < 1:
            images = picture_augmentation.crop(images, augment.crop, generator)
        if augment.color:
            images = picture_augmentation.color(images, augment.color, generator)
        if augment.erase:
            images = picture_augmentation.erase(images, augment.erase, generator)
        return images

    def matrices(self, count: int, generator: torch.Generator) -> Tensor:
        """Affine maps (B, 2, 3) from where a pixel is to where it is taken from.

        Coordinates run from -1 to 1 over the image, as grid_sample has them.
        """
        augment = self._augment
        turn, grow, right, down = (
            torch.rand(4, count, generator=generator).mul_(2).sub_(1).to(self._device)
        )
        angle = turn * math.radians(augment.rotation)
        zoom = 1 / (1 + grow * augment.scale)
        cosine, sine = angle.cos() * zoom, angle.sin() * zoom
        across = right * (2 * augment.shift / self._columns)
        along = down * (2 * augment.shift / self._rows)
        flat = torch.stack([cosine, -sine, across, sine, cosine, along], dim=1)
        return flat.view(count, 2, 3)

    def bending(self, count: int, generator: torch.Generator) -> Tensor:
        """Smooth displacements (B, H, W, 2), of a standard deviation of `elastic` pixels."""
        drawn = torch.randn(count, 2, COARSE, COARSE, generator=generator).to(self._device)
        size = (self._rows, self._columns)
        smooth = functional.interpolate(drawn, size, mode="bicubic", align_corners=True)
        pixels = smooth * (self._augment.elastic / smooth.std())
        scale = torch.tensor([2 / self._columns, 2 / self._rows], device=self._device)
        return pixels.permute(0, 2, 3, 1) * scale
