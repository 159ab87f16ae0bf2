"""How many inputs a request may bring, and what is said of its wrong fields."""

import json
from typing import Any

import pytest

from app.api.predict_body import MAX_INPUTS, MAX_PIXELS, most_inputs, read
from app.api.problem_kinds import InvalidBody
from app.serving.signature import Signature


@pytest.mark.parametrize(
    ("shape", "most"),
    [
        ((1, 28, 28), MAX_INPUTS),
        ((3, 64, 64), MAX_INPUTS),
        ((3, 224, 224), 222),
        ((3, 512, 512), 42),
    ],
)
def test_large_pictures_are_fewer_in_a_request(shape: tuple[int, int, int], most: int) -> None:
    """A file of a hundred bytes becomes a whole input: their number alone would bound nothing."""
    assert most_inputs(Signature(shape, (0, 255), ["a", "b"])) == most
    channels, height, width = shape
    assert most * channels * height * width <= MAX_PIXELS


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"inputs": [0], "top_k": 0}, "/top_k", "/top_k: expected `int` >= 1."),
        (
            {"inputs": [0], "preprocess": "bogus"},
            "/preprocess",
            "/preprocess: must be one of 'auto', 'mnist', 'none'.",
        ),
        ({"inputs": "x", "model": 3}, "/model", "/model: expected `str | null`, got `int`."),
        ({"inputs": [0], "pixel_range": [1, 1]}, "/pixel_range", "pixel_range must run from"),
        (
            {"inputs": [0], "top/k": 3},
            "/top~1k",
            "/top~1k: is not known here; the fields are inputs, model, top_k, pixel_range, ",
        ),
        ({}, "/inputs", "/inputs: is required."),
        ([1], "", "The body: expected `object`, got `array`."),
    ],
)
def test_a_wrong_field_is_named_with_what_it_may_be(body: Any, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        read(json.dumps(body).encode())
    assert refused.value.pointer == pointer
    assert refused.value.detail.startswith(detail)
