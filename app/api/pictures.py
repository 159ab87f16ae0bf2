"""The pictures of a run: which of its curves show what."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from app.api.charts import Chart, Curve
from app.store.metrics import Point

CURVES = {
    "loss": ("train_loss", "validation_loss", "running_loss"),
    "accuracy": ("train_accuracy", "validation_accuracy"),
    "rate": ("learning_rate",),
}
"""Curves that every run has."""
SERIES = {
    "loss": ("batch loss",),
    "gradients": ("gradient",),
    "updates": ("update",),
    "activations": ("activation", "dead", "saturated"),
    "predictions": ("prediction",),
    "inputs": ("input",),
    "labels": ("label", "share of class"),
}
"""What the names of a diagnosis' series begin with."""
AXES = {
    "loss": ("The loss", "loss (nats)"),
    "accuracy": ("The accuracy", "share answered rightly"),
    "rate": ("The learning rate", "learning rate"),
    "gradients": ("The gradients", "norm of the gradient"),
    "updates": ("The updates", "norm of the update by that of the weights"),
    "activations": ("The activations", "share of the units"),
    "predictions": ("The predictions", "entropy (nats)"),
    "inputs": ("The inputs", "share of the pixels"),
    "labels": ("The labels", "share"),
}
"""Title and vertical axis of each picture."""
HORIZONTAL = {"labels": "class", "inputs": "value of a pixel, as the network sees it"}
"""What the horizontal axis is where it is not time."""
LOGARITHMIC = {"gradients", "updates", "rate", "inputs"}
EXPLOSION = 1000.0
"""A loss that spans so many times its least is drawn on a logarithmic scale, too."""


def of(points: Sequence[Point], diagnosis: dict[str, Any]) -> dict[str, Chart]:
    """Each picture that can be drawn, by the name that findings give it."""
    measured = {
        name: [(float(each.step), each.value) for each in curve]
        for name, curve in groupby(points, key=lambda point: point.name)
    }
    charts = {
        name: _chart(
            name,
            _named(measured, CURVES.get(name, ())) + _begun(diagnosis, SERIES.get(name, ())),
        )
        for name in AXES
    }
    if diagnosis["lr_range"]:
        charts["rate"] = range_chart(diagnosis["lr_range"])
    return {name: chart for name, chart in charts.items() if not chart.is_empty}


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


def _chart(name: str, curves: list[Curve]) -> Chart:
    title, y_label = AXES[name]
    log = name in LOGARITHMIC or (name == "loss" and _spans(curves) > EXPLOSION)
    x_label = HORIZONTAL.get(name, "mini-batches")
    return Chart(title, x_label, y_label, curves, log_y=log)


def _spans(curves: list[Curve]) -> float:
    """How many times the least value above zero the greatest is."""
    values = [value for _, points in curves for _, value in points if value and value > 0]
    return max(values) / min(values) if values else 1.0


def _named(measured: dict[str, Any], names: Sequence[str]) -> list[Curve]:
    return [Curve(name.replace("_", " "), measured[name]) for name in names if name in measured]


def _begun(diagnosis: dict[str, Any], beginnings: tuple[str, ...]) -> list[Curve]:
    series = diagnosis["series"].items()
    return [Curve(name, points) for name, points in series if name.startswith(beginnings)]
