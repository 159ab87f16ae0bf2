"""Image files of any size become one shape, by the rule that a dataset has chosen."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.images import InvalidInput
from app.images.files import ORIENTATION, open_file
from app.images.preparation import Fit, Preparation

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def opened(image: Image.Image, **options: object) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return open_file(buffer.getvalue())


def striped() -> Image.Image:
    """Three squares of 10 x 10 beside each other: red, green, blue."""
    image = Image.new("RGB", (30, 10))
    for place, colour in enumerate((RED, GREEN, BLUE)):
        image.paste(colour, (10 * place, 0, 10 * place + 10, 10))
    return image


def colours(pixels: NDArray[np.uint8], row: int) -> list[tuple[int, ...]]:
    return [tuple(int(value) for value in pixels[:, row, column]) for column in (0, 4, 9)]


@pytest.mark.parametrize(
    ("fit", "middle", "top"),
    [
        ("crop", [GREEN, GREEN, GREEN], GREEN),
        ("stretch", [RED, GREEN, BLUE], RED),
        ("pad", [RED, GREEN, BLUE], WHITE),
    ],
)
def test_each_fit_brings_another_aspect_to_the_shape(
    fit: Fit, middle: list[tuple[int, ...]], top: tuple[int, ...]
) -> None:
    pixels = Preparation(fit).prepare(opened(striped()), (3, 10, 10))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 10, 10)
    assert pixels.flags.c_contiguous
    assert colours(pixels, 5) == middle
    assert colours(pixels, 0)[0] == top


def test_an_image_of_the_shape_is_left_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 10, 3), np.uint8)
    pixels = Preparation().prepare(opened(Image.fromarray(noise)), (3, 10, 10))
    assert np.array_equal(pixels, noise.transpose(2, 0, 1))


def test_transparency_shows_the_ground_whatever_is_drawn_on_it() -> None:
    for drawn in (0, 255):  # prediction of digits chooses the ground by this; a dataset declares it
        image = Image.new("RGBA", (10, 10), (drawn, drawn, drawn, 0))
        pixels = Preparation("crop", RED).prepare(opened(image), (3, 10, 10))
        assert colours(pixels, 5) == [RED] * 3


def test_a_grey_network_gets_greys_and_a_padded_ground_in_grey() -> None:
    pixels = Preparation("pad", RED).prepare(opened(Image.new("L", (10, 2), 9)), (1, 10, 10))
    assert pixels[0, 5, 5] == 9
    assert pixels[0, 0, 0] == 76  # red in the grey of ITU-R 601


def test_orientation_counts() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 3  # upside down
    image = opened(striped(), exif=exif)
    pixels = Preparation("stretch").prepare(image, (3, 10, 10))
    assert colours(pixels, 5) == [BLUE, GREEN, RED]


@pytest.mark.parametrize("size", [(1, 1), (1, 8192), (8192, 1)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_extreme_sizes_are_taken(size: tuple[int, int], fit: Fit) -> None:
    image = opened(Image.new("RGB", size, BLUE))
    assert Preparation(fit).prepare(image, (3, 32, 32)).shape == (3, 32, 32)


def test_other_channels_are_refused() -> None:
    with pytest.raises(InvalidInput, match="2 channels"):
        Preparation().prepare(opened(striped()), (2, 10, 10))
