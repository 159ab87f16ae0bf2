"""The pictures of a run: which of its curves are drawn together."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from app.api.charts import Chart, Curve
from app.codes import Picture
from app.store.metrics import Point

METRICS: dict[Picture, tuple[str, ...]] = {
    Picture.LOSS: ("train_loss", "validation_loss", "running_loss"),
    Picture.ACCURACY: ("train_accuracy", "validation_accuracy"),
    Picture.RATE: ("learning_rate",),
}
"""Metrics that are drawn as curves; every run has them."""
SERIES_PREFIXES: dict[Picture, tuple[str, ...]] = {
    Picture.LOSS: ("batch loss",),
    Picture.GRADIENTS: ("gradient",),
    Picture.UPDATES: ("update",),
    Picture.ACTIVATIONS: ("activation", "dead", "saturated"),
    Picture.PREDICTIONS: ("prediction",),
    Picture.INPUTS: ("input",),
    Picture.LABELS: ("label", "share of class"),
}
"""Series of a diagnosis are drawn where their names begin with one of these words."""
AXES: dict[Picture, tuple[str, str]] = {
    Picture.LOSS: ("The loss", "loss"),
    Picture.ACCURACY: ("The accuracy", "fraction of correct predictions"),
    Picture.RATE: ("The learning rate", "learning rate"),
    Picture.GRADIENTS: ("The gradients", "norm of the gradient"),
    Picture.UPDATES: ("The updates", "norm of the update by that of the weights"),
    Picture.ACTIVATIONS: ("The activations", "fraction of the units"),
    Picture.PREDICTIONS: ("The predictions", "entropy (nats)"),
    Picture.INPUTS: ("The inputs", "fraction of the pixels"),
    Picture.LABELS: ("The labels", "fraction"),
}
"""Title and vertical axis of each picture."""
X_LABELS = {
    Picture.LABELS: "class",
    Picture.INPUTS: "value of a pixel, as the network sees it",
}
"""Horizontal axes other than time."""
LOGARITHMIC = {Picture.GRADIENTS, Picture.UPDATES, Picture.RATE, Picture.INPUTS}
EXPLOSION = 1000.0
"""Ratio of the greatest to the least loss above which the loss has a logarithmic axis, too."""


def of(points: Sequence[Point], diagnosis: dict[str, Any]) -> dict[Picture, Chart]:
    """The run's pictures that have something to show."""
    measured = {
        name: [(float(each.step), each.value) for each in curve]
        for name, curve in groupby(points, key=lambda point: point.name)
    }
    charts = {
        picture: _chart(
            picture,
            _metrics(measured, METRICS.get(picture, ()))
            + _series(diagnosis, SERIES_PREFIXES.get(picture, ())),
        )
        for picture in Picture
    }
    if diagnosis["lr_range"]:
        charts[Picture.RATE] = range_chart(diagnosis["lr_range"])
    return {picture: chart for picture, chart in charts.items() if not chart.is_empty}


def range_chart(found: dict[str, Any]) -> Chart:
    """The loss over the learning rate, as a range test measured it."""
    words = {"steepest": "steepest", "recommended": "recommended", "diverges_at": "diverges"}
    return Chart(
        "The range test",
        "learning rate",
        "smoothed loss",
        [Curve("loss", found["curve"])],
        log_x=True,
        marks=[(found[name], word) for name, word in words.items() if found[name] is not None],
    )


def _chart(picture: Picture, curves: list[Curve]) -> Chart:
    title, y_label = AXES[picture]
    log = picture in LOGARITHMIC or (picture is Picture.LOSS and _span(curves) > EXPLOSION)
    x_label = X_LABELS.get(picture, "mini-batches")
    return Chart(title, x_label, y_label, curves, log_y=log)


def _span(curves: list[Curve]) -> float:
    """Ratio of the greatest value to the least one above zero."""
    values = [value for _, points in curves for _, value in points if value and value > 0]
    return max(values) / min(values) if values else 1.0


def _metrics(measured: dict[str, Any], names: Sequence[str]) -> list[Curve]:
    return [Curve(name.replace("_", " "), measured[name]) for name in names if name in measured]


def _series(diagnosis: dict[str, Any], prefixes: tuple[str, ...]) -> list[Curve]:
    series = diagnosis["series"].items()
    return [Curve(name, points) for name, points in series if name.startswith(prefixes)]
