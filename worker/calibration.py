"""Measures how fast this machine trains, on small networks and made-up images.

`python -m worker.calibration FILE` writes, as JSON, the seconds of each part of
`app.jobspec.cost`'s model: the fit, with no part below zero, of a few dozen short measurements.
About ten seconds.
"""

import json
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from app.jobspec import JobSpec, cost
from app.lifeline import Line
from worker.training import graph
from worker.training.dataset import Dataset, Description
from worker.training.run import Run

MEASURE_SECONDS = 0.08
IMAGES = 2000


def specs() -> list[dict[str, Any]]:
    """Networks that together show each part."""
    found: list[dict[str, Any]] = []
    shapes: list[list[int]] = [[], [32], [500], [256, 128, 64], [1500]]
    for hidden, batch in product(shapes, (4, 64, 512)):
        found.append({"model": {"hidden": hidden}, "training": {"batch_size": batch}})
    for name, units in product(("adam", "adamw", "rmsprop", "adagrad"), ([32], [800])):
        training = {"batch_size": 64, "optimizer": {"name": name}}
        found.append({"model": {"hidden": units}, "training": training})
    for hidden, batch in product(([64], [256, 128, 64], [800]), (16, 256)):
        training = {"batch_size": batch, "gradient": "autograd"}
        found.append({"model": {"hidden": hidden}, "training": training})
        training = {"batch_size": batch, "precision": "bfloat16"}
        found.append({"model": {"hidden": hidden}, "training": training})
    for channels, batch, precision in product(
        ([4], [8, 16], [32, 64]), (16, 128), ("float32", "bfloat16")
    ):
        model: dict[str, Any] = {"kind": "cnn", "channels": channels, "hidden": [64]}
        training = {"batch_size": batch, "precision": precision}
        found.append({"model": model, "training": training})
    for batch, activation in product((16, 128), ("sigmoid", "tanh")):
        model = {"kind": "cnn", "channels": [8], "hidden": [64]} | {"activation": activation}
        found.append({"model": model, "training": {"batch_size": batch}})
        model = {"hidden": [500, 500]} | {"activation": activation}
        found.append({"model": model, "training": {"batch_size": batch}})
    for batch in (16, 128):
        model = {"kind": "cnn", "channels": [8, 16], "hidden": [64]} | {"batch_norm": True}
        found.append({"model": model, "training": {"batch_size": batch}})
        augment = {"shift": 2, "rotation": 10, "scale": 0.1}
        found.append({"dataset": {"augment": augment}, "training": {"batch_size": batch}})
    return found


def step_seconds(spec: JobSpec, dataset: Dataset) -> float:
    """Seconds of one step: the least mean of a few short stretches, for others use the machine."""
    run = Run(spec, dataset, lambda _: None, lambda: None)
    best = float("inf")
    for _ in range(3):
        steps = run.rehearse()
        next(steps)
        count, began = 0, time.perf_counter()
        for made in steps:
            count += made
            if time.perf_counter() - began > MEASURE_SECONDS / 3:
                break
        best = min(best, (time.perf_counter() - began) / max(1, count))
    return best


def measure() -> cost.Speed:
    """The seconds of each part on this machine."""
    dataset = made_up()
    rows, times = [], []
    for fields in specs():
        limited = {"dataset": {"limit": IMAGES} | fields.get("dataset", {})}
        spec = JobSpec.model_validate(fields | limited | {"resources": {"threads": 1}})
        rows.append(cost.step(spec))
        times.append(step_seconds(spec, dataset))
    parts = sorted({part for row in rows for part in row})
    # each equation divided by its time: what counts is the relative error
    table = np.array([[row.get(part, 0.0) for part in parts] for row in rows])
    scaled = table / np.array(times)[:, None]
    largest = scaled.max(axis=0)
    fitted, _ = nnls(scaled / largest, np.ones(len(times)), maxiter=10_000)
    speed = dict(zip(parts, (fitted / largest).tolist(), strict=True))
    return speed | {cost.SETUP: setup_seconds(dataset)}


def setup_seconds(dataset: Dataset) -> float:
    """Seconds that a job needs beside its steps: building, and exporting, warm."""
    for _ in range(2):
        began = time.perf_counter()
        spec = JobSpec()
        run = Run(spec, dataset, lambda _: None, lambda: None)
        graph.written(run.network, spec.layers, dataset.description)
    return time.perf_counter() - began


def made_up() -> Dataset:
    """Images of MNIST's shape."""
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (60_000, 1, 28, 28), dtype=np.uint8)
    labels = chance.integers(0, 10, 60_000, dtype=np.uint8)
    classes = [str(digit) for digit in range(10)]
    description = Description("made up", (1, 28, 28), classes, (0, 255), [0.5], [0.3], "")
    return Dataset(description, images, labels, images[:100], labels[:100])


def main(file: Path) -> None:
    """Measures and writes the file, whole or not at all."""
    torch.set_num_threads(1)
    unfinished = file.with_suffix(".partial")
    unfinished.write_text(json.dumps(measure(), indent=1))
    unfinished.replace(file)


if __name__ == "__main__":
    Line()
    main(Path(sys.argv[1]))
