"""A graph sees a bounded number of pixels at once, and answers as if it saw all."""

import numpy as np
import pytest

from app.serving import predictor
from app.serving.predictor import Predictor
from app.serving.signature import Pixels
from tests.service.conftest import banded_graph

SHAPE = (3, 20, 20)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("images", [1, 3, 4, 10])
def test_many_large_images_are_given_to_the_graph_in_parts(
    images: int, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = banded_graph(0, SHAPE, 255.0)
    pixels = np.random.default_rng(0).integers(0, 256, (images, *SHAPE)).astype(kind)
    whole = Predictor(graph, SHAPE).probabilities(pixels)
    monkeypatch.setattr(predictor, "MAX_PIXELS", 3 * np.prod(SHAPE) + 1)
    bounded = Predictor(graph, SHAPE)
    seen: list[int] = []
    run = bounded._run

    def watched(part: Pixels) -> predictor.Probabilities:
        seen.append(len(part))
        return run(part)

    monkeypatch.setattr(bounded, "_run", watched)
    np.testing.assert_allclose(bounded.probabilities(pixels), whole, atol=1e-6)
    assert max(seen) <= 3
    assert sum(seen) == images
