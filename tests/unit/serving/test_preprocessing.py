"""A picture of a digit becomes what MNIST would have made of it."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.images.files import decoded, open_file
from app.serving.image_inputs import Preprocess, from_image
from app.serving.preprocessing import has_light_ground, like_mnist
from app.serving.signature import Pixels, Signature
from tests.strokes import drawn

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def random() -> np.random.Generator:
    return np.random.default_rng(1)


def mnist_of(image: Image.Image) -> NDArray[np.uint8]:
    return like_mnist(decoded(image), 28, 28).pixels


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two pictures, 1 if they are alike; a pixel's shift is a matter of rounding."""
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(
        float(np.corrcoef(np.roll(one, shift, (0, 1)).ravel(), other.ravel())[0, 1])
        for shift in shifts
    )


STANDARD = mnist_of(drawn(5, random()))
ALIKE: dict[str, dict[str, Any]] = {
    "white on black": {"ink": WHITE, "ground": BLACK},
    "grey on grey": {"ink": (150, 150, 150), "ground": (110, 110, 110)},
    "coloured": {"ink": (200, 30, 40), "ground": (250, 230, 120)},
    "of equal luminance": {"ink": (220, 60, 60), "ground": (70, 140, 70)},
    "black on transparent": {"ink": (0, 0, 0, 255), "ground": (0, 0, 0, 0)},
    "white on transparent": {"ink": (255, 255, 255, 255), "ground": (255, 255, 255, 0)},
    "small": {"size": 0.2},
    "in a corner": {"centre": (0.25, 0.75), "size": 0.4},
    "large": {"side": 1000},
}


@pytest.mark.parametrize("how", ALIKE.values(), ids=ALIKE.keys())
def test_colour_ground_size_and_place_make_no_difference(how: dict[str, Any]) -> None:
    assert likeness(mnist_of(drawn(5, random(), **how)), STANDARD) > 0.93


@pytest.mark.parametrize("pen", [0.012, 0.03, 0.2, 0.25])
def test_thin_and_thick_strokes_come_nearer_to_those_of_mnist(pen: float) -> None:
    ink = mnist_of(drawn(2, random(), pen=pen, side=600)).astype(float).sum() / 255
    assert 40 < ink < 190  # of 784; MNIST's images have 103 on average, 90% of them 50 to 165


def test_the_digit_fits_twenty_pixels_and_is_centred_by_mass() -> None:
    for digit in range(10):
        made = mnist_of(drawn(digit, random(), centre=(0.35, 0.6), size=0.5))
        rows, columns = np.flatnonzero(made.any(1)), np.flatnonzero(made.any(0))
        assert max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 == 20
        assert made.max() == 255
        weights = made / made.sum()
        assert (weights.sum(1) @ np.arange(28), weights.sum(0) @ np.arange(28)) == pytest.approx(
            (14, 14), abs=0.51
        )


def test_uneven_light_and_noise_leave_only_the_digit() -> None:
    light = np.linspace(0.4, 1, 280)[None, :, None] * np.linspace(0.7, 1, 280)[:, None, None]
    noise = random().normal(0, 6, (280, 280, 3))
    photo = (np.asarray(drawn(5, random()), np.float32) * light + noise).clip(0, 255)
    buffer = io.BytesIO()
    Image.fromarray(photo.astype(np.uint8)).save(buffer, "JPEG", quality=50)
    assert likeness(mnist_of(Image.open(buffer)), STANDARD) > 0.93


def test_sixteen_bit_greys_and_rotated_photos_are_read() -> None:
    grey = np.asarray(drawn(5, random()).convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert likeness(mnist_of(deep), STANDARD) > 0.93
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: to be turned clockwise
    drawn(5, random()).rotate(90).save(buffer, "JPEG", exif=exif)
    assert likeness(mnist_of(Image.open(buffer)), STANDARD) > 0.93


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 500), (4096, 1), (50, 50)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1"])
def test_a_blank_picture_is_blank(size: tuple[int, int], mode: str) -> None:
    assert not mnist_of(Image.new(mode, size)).any()


def test_any_picture_becomes_pixels() -> None:
    pictures = [
        Image.effect_noise((4096, 4096), 80),
        Image.new("L", (4096, 4096)),
        Image.linear_gradient("L").resize((3000, 10)),
        Image.radial_gradient("L"),
        Image.fromarray((random().random((30, 30)) > 0.5).astype(np.uint8) * 255),
        drawn(0, random(), pen=0.9),
    ]
    for picture in pictures:
        made = mnist_of(picture)
        assert (made.shape, made.dtype) == ((28, 28), np.uint8)


def test_a_light_ground_is_told_from_the_border() -> None:
    assert has_light_ground(drawn(1, random()))
    assert not has_light_ground(drawn(1, random(), ink=WHITE, ground=BLACK))


def file(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(image: Image.Image, signature: Signature, preprocess: Preprocess = "auto") -> Pixels:
    return from_image(open_file(file(image)), signature, preprocess).pixels


def test_only_what_does_not_look_like_the_training_images_is_changed() -> None:
    mnist = Signature((1, 28, 28), (0.0, 255.0), list("0123456789"), "mnist")
    clothes = Signature((1, 28, 28), (0.0, 255.0), list("0123456789"), "fashion-mnist")
    dark = drawn(3, random(), side=28, size=0.9, ink=WHITE, ground=BLACK).convert("L")
    same = np.asarray(dark, np.float32)[None]
    light = Image.eval(dark, lambda grey: 255 - grey)
    np.testing.assert_array_equal(pixels_of(dark, mnist), same)
    made = pixels_of(light, mnist)[0].astype(np.uint8)
    assert likeness(made, mnist_of(dark)) > 0.93
    for signature, preprocess in ((clothes, "auto"), (mnist, "none")):
        pixels = pixels_of(light, signature, preprocess)
        np.testing.assert_array_equal(pixels, 255 - same)
    assert pixels_of(light, clothes, "mnist").mean() < 128


def test_digits_of_eight_by_eight_fill_their_image() -> None:
    digits = Signature((1, 8, 8), (0.0, 16.0), list("0123456789"), "digits")
    pixels = pixels_of(drawn(8, random()), digits)
    assert pixels.shape == (1, 8, 8)
    assert pixels.max() == 16
    assert pixels[0, 0].any()
    assert pixels[0, -1].any()
