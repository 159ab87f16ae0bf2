"""Inputs that hardly are what the model was trained for are called doubtful, and no others."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.images.files import open_file
from app.serving.image_inputs import ImageInput, Preprocess, from_image
from app.serving.pixel_arrays import find_warnings, from_bytes, from_numbers
from app.serving.signature import Signature
from tests.strokes import drawn, on_table, scanned

MNIST = Signature((1, 28, 28), (0.0, 255.0), list("0123456789"), "mnist")
UNIT = Signature((1, 28, 28), (0.0, 1.0), list("0123456789"))
DIGIT = np.asarray(drawn(3, np.random.default_rng(1), side=28, size=0.9).convert("L"), np.uint8)


def read(image: Image.Image, preprocess: Preprocess = "auto") -> ImageInput:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return from_image(open_file(buffer.getvalue()), MNIST, preprocess)


def codes(image: Image.Image, preprocess: Preprocess = "auto") -> list[str]:
    return [each.code for each in read(image, preprocess).warnings]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pen": 0.2},
        {"pen": 0.02},
        {"size": 0.2},
        {"ink": (255, 255, 255), "ground": (0, 0, 0)},
        {"ink": (200, 30, 40), "ground": (250, 230, 120)},
        {"ink": (20, 20, 20, 255), "ground": (0, 0, 0, 0)},
    ],
)
def test_ordinary_drawings_are_not_doubted(options: dict[str, Any]) -> None:
    for digit in range(10):
        assert codes(drawn(digit, np.random.default_rng(digit), **options)) == []


@pytest.mark.parametrize("size", [(28, 28), (300, 200)])
@pytest.mark.parametrize("grey", [0, 130, 255])
def test_a_picture_without_anything_on_it_is_blank(size: tuple[int, int], grey: int) -> None:
    for preprocess in ("mnist", "none"):
        assert codes(Image.new("L", size, grey), preprocess) == ["blank"]
    assert read(Image.new("L", size, 255)).is_blank  # as `auto` reads it


def test_faint_drawings_and_several_strokes_apart_are_told() -> None:
    random = np.random.default_rng(1)
    assert codes(drawn(5, random, ink=(225, 225, 225), ground=(250, 250, 250))) == ["faint"]
    two = Image.new("RGB", (560, 280), "white")
    two.paste(drawn(4, random), (0, 0))
    two.paste(drawn(7, random), (280, 0))
    assert codes(two) == ["several_objects"]


@pytest.mark.parametrize("digit", range(10))
def test_the_dark_around_a_sheet_is_told_and_cut_off(digit: int) -> None:
    random = np.random.default_rng(digit)
    for picture in (
        scanned(digit, random),
        scanned(digit, random, sides=1),
        on_table(digit, random),
    ):
        made = read(picture)
        assert [each.code for each in made.warnings] == ["dark_frame"]
        lit = made.pixels[0] > 0
        rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20  # the digit, not the sheet
        assert 0.03 < lit.mean() < 0.35


@pytest.mark.parametrize("form", ["bytes", "numbers"])
def test_pixels_that_seem_to_be_fractions_are_told(form: str) -> None:
    fractions = (DIGIT > 127).astype(np.uint8)
    many = np.stack([DIGIT, fractions, np.full((28, 28), 9, np.uint8)])
    if form == "bytes":
        pixels = from_bytes(many.tobytes(), MNIST)
        single = from_bytes(fractions.tobytes(), MNIST)
    else:
        pixels = np.stack([from_numbers(each.tolist(), MNIST) for each in many])
        single = from_numbers((fractions / 2).tolist(), MNIST)[None]
    found = find_warnings(pixels, MNIST)
    assert {index: each[0].code for index, each in found.items()} == {1: "pixel_range", 2: "blank"}
    assert [each.code for each in find_warnings(single, MNIST)[0]] == ["pixel_range"]
    assert find_warnings(pixels[:1], MNIST) == {}


def test_fractions_are_not_doubted_where_they_are_declared_or_the_model_takes_them() -> None:
    fractions = (DIGIT / 255).tolist()
    declared = from_numbers(fractions, MNIST, (0, 1))[None]
    assert find_warnings(declared, MNIST, (0, 1)) == {}
    assert find_warnings(from_numbers(fractions, UNIT)[None], UNIT) == {}
