"""From an opened image file to a network's input: the same at import and at prediction."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from app.codes import Fit
from app.images import InvalidInput
from app.images.files import Colour, decoded

WHITE: Colour = (255, 255, 255)
RESAMPLING = Image.Resampling.BILINEAR
"""Pillow's bilinear filter is as wide as it must be to average when an image gets smaller."""


@dataclass(frozen=True)
class Preparation:
    """How the images of a dataset were brought to one shape."""

    fit: Fit = "crop"
    ground: Colour = WHITE
    """The colour behind transparent pixels, and around a padded image."""

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """A preparation as a model's signature keeps it."""
        red, green, blue = stored["ground"]
        return cls(stored["fit"], (red, green, blue))

    def prepare(self, image: Image.Image, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """The pixels of an opened file, uint8 of the shape (channels, height, width).

        Raises:
            InvalidInput: corrupt or cut off, or the shape has neither one channel nor three.
        """
        channels, height, width = shape
        if channels not in (1, 3):
            raise InvalidInput(f"an image file has no {channels} channels; send pixel arrays")
        picture = decoded(image, self.ground).convert("L" if channels == 1 else "RGB")
        pixels = np.asarray(self._resized(picture, (width, height)))
        return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))

    def _resized(self, picture: Image.Image, size: tuple[int, int]) -> Image.Image:
        if picture.size == size:
            return picture
        match self.fit:
            case "crop":
                return ImageOps.fit(picture, size, RESAMPLING)
            case "pad":
                return self._padded(picture, size)
            case "stretch":
                return picture.resize(size, RESAMPLING)

    def _padded(self, picture: Image.Image, size: tuple[int, int]) -> Image.Image:
        """The whole picture in the middle of the ground; Pillow's own pad fails at 1 x 8192."""
        factor = min(size[0] / picture.width, size[1] / picture.height)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        red, green, blue = self.ground
        colour = ImageColor.getcolor(f"rgb({red},{green},{blue})", picture.mode)
        padded = Image.new(picture.mode, size, colour)
        corner = ((size[0] - width) // 2, (size[1] - height) // 2)
        padded.paste(picture.resize((width, height), RESAMPLING), corner)
        return padded
