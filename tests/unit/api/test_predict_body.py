"""How many inputs a request may bring."""

import pytest

from app.api.predict_body import MAX_INPUTS, MAX_PIXELS, most_inputs
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
