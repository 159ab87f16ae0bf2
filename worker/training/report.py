"""The report on a trained network, from its test images; it is published with the model.

The measures are those of scikit-learn and SciPy, so that anybody can check the numbers.
"""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from worker.training.dataset import Array, Dataset, Description, TableDescription
from worker.training.suspects import Suspect

BINS = 15
"""Bins of the calibration, as many as Guo et al. use."""
WORST_MISTAKES = 20
"""How many wrong predictions are shown, the most confident first."""
TYPICAL = 2
"""How many right predictions of each class are shown, the most confident first."""
MANY_CLASSES = 50
"""With more classes than this none are shown."""
SHOWN_SIDE = 128
"""Longest side of a shown image, in pixels: twenty of 512 x 512 would make a report of 15 MB."""
LEVEL = 0.95
"""Confidence level of the accuracy's interval."""

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def report(
    labels: Labels,
    probabilities: Probabilities,
    examples: Array,
    description: Description | TableDescription,
    names: list[str] | None = None,
) -> dict[str, Any]:
    """The whole report as JSON values; fractions and confidences run from 0 to 1.

    `labels` (N,) are the true classes of `examples`, images (N, C, H, W) or rows (N, columns), and
    `probabilities` (N, classes) what the network gives each class. Predicted is the most probable
    class, the first of equal ones. `names` (N,) are what the owner calls the examples.

    Raises:
        ValueError: there are no images.
    """
    predicted, confidence = _predicted(probabilities)
    correct = predicted == labels
    interval = binomtest(int(correct.sum()), len(labels)).proportion_ci(LEVEL, method="wilson")
    every_class = np.arange(len(description.classes))
    return {
        "images": len(labels),
        "accuracy": {
            "value": float(correct.mean()),
            "low": float(interval.low),
            "high": float(interval.high),
        },
        "macro": _macro(labels, predicted),
        "classes": _classes(labels, predicted, description.classes),
        "confusion_matrix": confusion_matrix(labels, predicted, labels=every_class).tolist(),
        "calibration": _calibration(confidence, correct),
        "worst_mistakes": _worst_mistakes(labels, probabilities, examples, description, names),
        "typical": _typical(labels, probabilities, examples, description, names),
    }


def suspects(found: list[Suspect], dataset: Dataset) -> list[dict[str, Any]]:
    """Training examples whose labels are doubtful, with their images or rows."""
    description, names = dataset.description, dataset.names("train") if found else None
    return [
        {
            **_entry(each.row, dataset.train_images, description, names),
            "label": description.classes[each.label],
            "suggested": description.classes[each.suggested],
            "suspicion": each.suspicion,
        }
        for each in found
    ]


def predictions(labels: Labels, probabilities: Probabilities) -> bytes:
    """Each image's true class, predicted class and confidence, to compare models image by image.

    A safetensors file of `labels` and `predicted`, int16 (N,), and `confidence`, float32 (N,).
    """
    predicted, confidence = _predicted(probabilities)
    return save(
        {
            "labels": labels.astype(np.int16),
            "predicted": predicted.astype(np.int16),
            "confidence": confidence.astype(np.float32),
        }
    )


def _predicted(probabilities: Probabilities) -> tuple[Labels, NDArray[np.float64]]:
    """The predicted classes (N,) and their probabilities (N,)."""
    return probabilities.argmax(axis=1), probabilities.max(axis=1).astype(np.float64)


def _macro(labels: Labels, predicted: Labels) -> dict[str, float]:
    """Plain means over the classes that occur as labels or as predictions."""
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, average="macro", zero_division=0
    )
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}


def _classes(labels: Labels, predicted: Labels, names: list[str]) -> list[dict[str, Any]]:
    """A row for each class, also for one without images; undefined measures are 0."""
    columns = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(names)), zero_division=0
    )
    return [
        {
            "label": name,
            "images": int(images),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
        }
        for name, precision, recall, f1, images in zip(names, *columns, strict=True)
    ]


def _calibration(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> dict[str, Any]:
    """How far confidence is from accuracy: the expected calibration error and its bins.

    Confidences are put into bins of equal width, (low, high]. The error is the mean over the
    images of |accuracy - mean confidence| of their bin: Guo, Pleiss, Sun, Weinberger, "On
    Calibration of Modern Neural Networks", 2017, equation 3.
    """
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.digitize(confidence, edges[1:-1], right=True)
    counts = np.bincount(bins, minlength=BINS)
    confidences = np.bincount(bins, confidence, BINS)
    correctly = np.bincount(bins, correct, BINS)
    return {
        "expected_error": float(np.abs(correctly - confidences).sum() / len(confidence)),
        "bins": [
            {
                "low": float(edges[at]),
                "high": float(edges[at + 1]),
                "images": int(count),
                "confidence": float(confidences[at] / count) if count else None,
                "accuracy": float(correctly[at] / count) if count else None,
            }
            for at, count in enumerate(counts)
        ],
    }


def _worst_mistakes(
    labels: Labels,
    probabilities: Probabilities,
    examples: Array,
    description: Description | TableDescription,
    names: list[str] | None,
) -> list[dict[str, Any]]:
    """The wrong predictions of the highest confidence, with their images or rows."""
    predicted, confidence = _predicted(probabilities)
    (wrong,) = np.nonzero(predicted != labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:WORST_MISTAKES]
    return [
        {
            **_entry(index, examples, description, names),
            "label": description.classes[labels[index]],
            "predicted": description.classes[predicted[index]],
            "confidence": float(confidence[index]),
        }
        for index in worst
    ]


def _typical(
    labels: Labels,
    probabilities: Probabilities,
    examples: Array,
    description: Description | TableDescription,
    names: list[str] | None,
) -> list[dict[str, Any]]:
    """Of each class the right predictions of the highest confidence; classes may have none."""
    predicted, confidence = _predicted(probabilities)
    if len(description.classes) > MANY_CLASSES:
        return []
    found: list[int] = []
    for label in range(len(description.classes)):
        (right,) = np.nonzero((labels == label) & (predicted == label))
        found += right[np.argsort(-confidence[right], kind="stable")][:TYPICAL].tolist()
    return [
        {
            **_entry(index, examples, description, names),
            "label": description.classes[labels[index]],
            "confidence": float(confidence[index]),
        }
        for index in found
    ]


def _entry(
    index: int,
    examples: Array,
    description: Description | TableDescription,
    names: list[str] | None,
) -> dict[str, Any]:
    """An example as reports show it: its number, its owner's name for it, its image or row."""
    name = None if names is None else names[index]
    return {"index": int(index), "name": name, **_shown(examples[index], description)}


def _shown(example: Array, description: Description | TableDescription) -> dict[str, Any]:
    if isinstance(description, TableDescription):
        values = zip(description.columns, example.tolist(), strict=True)
        return {"row": {column.name: column.text(value) for column, value in values}}
    return {"image": _data_url(example, description.pixel_range)}


def _data_url(image: Pixels, pixel_range: tuple[int, int]) -> str:
    """An image (C, H, W) as a PNG: in colour if it has three channels, else their mean in grey.

    Images above SHOWN_SIDE are made smaller.
    """
    low, high = pixel_range
    scaled = ((image.astype(np.float64) - low) * (255 / (high - low))).clip(0, 255)
    drawn = scaled.transpose(1, 2, 0) if len(scaled) == 3 else scaled.mean(axis=0)
    buffer = io.BytesIO()
    picture = Image.fromarray(drawn.round().astype(np.uint8))
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
