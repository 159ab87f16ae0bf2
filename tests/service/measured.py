"""The evaluation files of a made-up model, as a training process makes them."""

from typing import Any

import msgspec
import numpy as np

from worker.training.dataset import Description
from worker.training.report import predictions, report

LABELS = np.arange(100) % 10
"""Classes of the test images: ten of each."""
CLASSES = [f"class {number}" for number in range(10)]
CONFIDENCE = 0.8


def files(
    wrong: int = 0,
    first: int = 0,
    shape: tuple[int, int, int] = (1, 28, 28),
    labels: Any = LABELS,
    classes: list[str] = CLASSES,
) -> dict[str, bytes]:
    """Report and answers of a model that is wrong on `wrong` images from the image `first` on."""
    predicted = labels.copy()
    at = slice(first, first + wrong)
    predicted[at] = (labels[at] + 1) % 10
    probabilities = np.full((len(labels), 10), (1 - CONFIDENCE) / 9, np.float32)
    probabilities[np.arange(len(labels)), predicted] = CONFIDENCE
    images = np.zeros((len(labels), *shape), np.uint8)
    description = Description(
        "made up", shape, classes, (0, 255), [0.5] * shape[0], [0.25] * shape[0], ""
    )
    found = report(labels, probabilities, images, description)
    return {"report": msgspec.json.encode(found), "answers": predictions(labels, probabilities)}
