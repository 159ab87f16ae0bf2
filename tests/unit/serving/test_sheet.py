"""A sheet in a black frame or on a dark table is cut out, and nothing else is taken for one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from app.serving.preprocessing import like_mnist
from app.serving.sheet import sheet_of
from tests.strokes import drawn, on_table, scanned

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
FRAMED: dict[str, Callable[[int, np.random.Generator], Image.Image]] = {
    "black frame": scanned,
    "frame along two sides": lambda digit, random: scanned(digit, random, sides=2),
    "frame along one side": lambda digit, random: scanned(digit, random, sides=1),
    "dark table": lambda digit, random: on_table(digit, random, side=400),
}
UNFRAMED: dict[str, dict[str, Any]] = {
    "black on white": {},
    "white on black": {"ink": WHITE, "ground": BLACK},
    "thick": {"pen": 0.3},
    "thick and white": {"pen": 0.25, "size": 0.9, "ink": WHITE, "ground": BLACK},
    "cut off": {"pen": 0.15, "size": 1.1},
    "cut off and white": {"pen": 0.2, "size": 1.1, "ink": WHITE, "ground": BLACK},
    "filling the picture": {"pen": 0.3, "size": 1.0, "ink": WHITE, "ground": BLACK},
}


def codes(picture: Image.Image) -> list[str]:
    return [warning.code for warning in like_mnist(picture, 28, 28).warnings]


@pytest.fixture(scope="module")
def nearest() -> Callable[[Any], int]:
    """Which digit a picture is, by the five most similar of 150 drawings in black on white."""
    random = np.random.default_rng(99)
    labels = np.arange(150) % 10
    known = np.array([like_mnist(drawn(int(n), random), 28, 28).pixels.ravel() for n in labels])
    known = known / np.linalg.norm(known, axis=1, keepdims=True)

    def digit_of(pixels: Any) -> int:
        made = pixels.astype(float)
        shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        likeness = np.max([known @ np.roll(made, by, (0, 1)).ravel() for by in shifts], axis=0)
        return int(np.bincount(labels[np.argsort(-likeness)[:5]]).argmax())

    return digit_of


@pytest.mark.parametrize("how", FRAMED)
def test_digits_on_framed_sheets_are_read(how: str, nearest: Callable[[Any], int]) -> None:
    random = np.random.default_rng(0)
    correct = 0
    for number in range(25):
        pixels, warnings = like_mnist(FRAMED[how](number % 10, random), 28, 28)
        assert [warning.code for warning in warnings] == ["dark_frame"]
        correct += nearest(pixels) == number % 10
    assert correct >= 23


@pytest.mark.parametrize("how", UNFRAMED.values(), ids=UNFRAMED.keys())
def test_a_picture_without_a_frame_is_left_whole(how: dict[str, Any]) -> None:
    random = np.random.default_rng(3)
    for number in range(10):
        assert sheet_of(drawn(number % 10, random, **how)) is None


def test_a_page_in_uneven_light_and_a_digit_cut_out_tightly_have_no_frame() -> None:
    random = np.random.default_rng(3)
    light = np.linspace(0.28, 1, 280)[None, :, None]
    for number in range(10):
        picture = drawn(number % 10, random, pen=0.04)
        tight = picture.crop(ImageChops.invert(picture).getbbox())
        shaded = Image.fromarray((np.asarray(picture) * light).astype(np.uint8))
        assert codes(tight) == []
        assert codes(shaded) == []


def blank(kind: str) -> Image.Image:
    random = np.random.default_rng(0)
    if kind == "noise":
        noise = 200 + random.normal(0, 12, (400, 400, 3))
        return Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    y, x = np.mgrid[0:400, 0:400] / 400 - 0.5
    return Image.fromarray((230 * (1 - 0.8 * (x * x + y * y))).astype(np.uint8))


@pytest.mark.parametrize("kind", ["noise", "shade in the corners"])
def test_paper_without_anything_on_it_is_blank(kind: str) -> None:
    made = like_mnist(blank(kind), 28, 28)
    assert [warning.code for warning in made.warnings] == ["blank"]
    assert not made.pixels.any()


def test_an_empty_sheet_on_black_is_blank() -> None:
    sheet = np.pad(np.full((300, 220), 240, np.uint8), 50, constant_values=15)
    assert codes(Image.fromarray(sheet)) == ["dark_frame", "blank"]


def test_a_picture_out_of_focus_is_not_blank() -> None:
    picture = drawn(5, np.random.default_rng(0), side=400)
    assert codes(picture.filter(ImageFilter.GaussianBlur(8))) == []
