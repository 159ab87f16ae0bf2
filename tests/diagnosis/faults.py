"""Specs drawn at random that train well, and each fault of the list planted into such specs.

A draw follows from the name of its set and its number alone. The thresholds of
`worker.training.diagnosis` were chosen on the set `calibration`; others are for reports.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from app.jobspec import JobSpec
from worker.training.dataset import Dataset
from worker.training.run import Run

Fields = dict[str, Any]
Tamper = Callable[[Dataset, np.random.Generator], Dataset]


@dataclass(frozen=True)
class Planted:
    """A spec with a fault in it, or none; `cause` is what the first finding is to be."""

    cause: str
    name: str
    fields: Fields
    sound: Fields
    """The same without the fault."""
    curable: bool = False
    """Whether a spec can cure it."""
    tamper: Tamper | None = None
    """What is done to the dataset."""
    sabotage: Callable[[Run], None] | None = None
    """What is done to the network after its first epoch."""


def healthy(chance: random.Random, *, mnist: bool) -> Fields:
    """A spec that trains well."""
    on_mnist = mnist and chance.random() < 0.4
    dataset: Fields = {"name": "mnist", "limit": chance.choice([3000, 5000, 8000])}
    if not on_mnist:
        dataset = {"name": "digits"}
    batch = chance.choice([16, 32, 64] if on_mnist else [16, 32])
    training: Fields = {
        "epochs": chance.choice([6, 8, 10] if on_mnist else [16, 20, 24]),
        "batch_size": batch,
        "log_every": 1000,
        "seed": chance.randrange(10_000),
        "optimizer": chance.choice(
            [
                {"name": "sgd", "lr": chance.choice([0.01, 0.02, 0.05])},
                {"name": "sgd", "lr": chance.choice([0.1, 0.2]), "momentum": 0.0},
                {"name": "adam", "lr": chance.choice([0.001, 0.002, 0.003])},
                {"name": "adamw", "lr": chance.choice([0.001, 0.003]), "weight_decay": 0.01},
                {"name": "rmsprop", "lr": 0.001},
            ]
        ),
        "schedule": chance.choice([None, None, {"name": "cosine"}, {"name": "one_cycle"}]),
    }
    if chance.random() < 0.2:
        training["loss"] = {"label_smoothing": 0.05}
    model: Fields = {
        "hidden": chance.choice([[64], [128], [256], [128, 64], [96, 96], [64, 64, 64]]),
        "activation": chance.choice(["relu", "relu", "tanh", "gelu", "leaky_relu"]),
        "dropout": chance.choice([0.0, 0.0, 0.1, 0.2]),
        "batch_norm": chance.random() < 0.15 and not training.get("loss"),
    }
    if chance.random() < 0.15:
        model |= {"kind": "cnn", "channels": [8, 16], "kernel": 3, "hidden": [64]}
    return {"dataset": dataset, "model": model, "training": training}


def with_fields(fields: Fields, changes: Fields) -> Fields:
    """The fields with changes laid over them."""
    made = copy.deepcopy(fields)
    for key, value in changes.items():
        below = made.get(key)
        inner = isinstance(value, dict) and isinstance(below, dict)
        made[key] = with_fields(below or {}, value) if inner else value
    return made


def planted(of: str, cause: str, number: int, *, mnist: bool) -> Planted:
    """The draw `number` of this cause in the set `of`."""
    chance = random.Random(f"{of} {cause} {number}")
    fields = healthy(chance, mnist=mnist)
    if cause == "healthy":
        return Planted(cause, f"{of}-{cause}-{number}", fields, fields)
    plant = PLANTS[cause](chance, fields)
    return replace(plant, cause=cause, name=f"{of}-{cause}-{number}")


def dense(fields: Fields) -> Fields:
    """The same with fully connected layers only, and without batch normalization."""
    hidden = fields["model"]["hidden"]
    model = {"hidden": hidden, "activation": fields["model"]["activation"], "dropout": 0.0}
    return fields | {"model": model}


def _spec_fault(fields: Fields, changes: Fields, sound: Fields | None = None) -> Planted:
    return Planted("", "", with_fields(fields, changes), sound or fields, curable=True)


def rate_too_high(chance: random.Random, fields: Fields) -> Planted:
    name = fields["training"]["optimizer"]["name"]
    rates = {"sgd": [5.0, 20.0, 100.0, 500.0], "rmsprop": [0.5, 2.0]}.get(name, [0.5, 2.0, 10.0])
    fault = {"training": {"optimizer": {"lr": chance.choice(rates)}}}
    return _spec_fault(fields, fault)


def rate_too_low(chance: random.Random, fields: Fields) -> Planted:
    name = fields["training"]["optimizer"]["name"]
    rates = {"sgd": [1e-6, 1e-5, 3e-5]}.get(name, [1e-8, 1e-7, 1e-6])
    return _spec_fault(fields, {"training": {"optimizer": {"lr": chance.choice(rates)}}})


def deep(chance: random.Random, fields: Fields) -> Fields:
    """A dense network's fields, with a pace that a deep one bears."""
    sound = dense(fields)
    paces = [
        {"name": "sgd", "lr": 0.01},
        {"name": "adam", "lr": 0.001},
        {"name": "adamw", "lr": 0.001},
    ]
    sound["training"] = sound["training"] | {"optimizer": chance.choice(paces), "schedule": None}
    return sound


def vanishing(chance: random.Random, fields: Fields) -> Planted:
    sound = deep(chance, fields)
    depth = chance.choice([6, 7, 8, 10])
    model = {"activation": "sigmoid", "hidden": [chance.choice([32, 64, 96])] * depth}
    sound = with_fields(sound, {"model": model | {"activation": "relu"}})
    return _spec_fault(sound, {"model": model}, sound)


def exploding(chance: random.Random, fields: Fields) -> Planted:
    hidden = [chance.choice([64, 128])] * chance.choice([3, 4, 6])
    activation = chance.choice(["relu", "leaky_relu", "gelu"])
    sound = with_fields(
        deep(chance, fields), {"model": {"hidden": hidden, "activation": activation}}
    )
    return _spec_fault(sound, {"model": {"initialization": "normal"}}, sound)


def dead(chance: random.Random, fields: Fields) -> Planted:
    sound = with_fields(dense(fields), {"model": {"activation": "relu"}})
    return _spec_fault(
        sound, {"model": {"initial_bias": chance.choice([-5.0, -7.0, -10.0])}}, sound
    )


def bad_start(chance: random.Random, fields: Fields) -> Planted:
    sound = dense(fields)
    how = chance.choice(["zeros", "constant", "normal"])
    if how == "normal":
        sound = with_fields(sound, {"model": {"hidden": [chance.choice([128, 256])]}})
    return _spec_fault(sound, {"model": {"initialization": how}}, sound)


def too_small(chance: random.Random, fields: Fields) -> Planted:
    sound = dense(fields)
    decay: Fields = {"name": "sgd", "lr": 0.02, "weight_decay": chance.choice([0.3, 1.0])}
    fault = chance.choice(
        [
            {"model": {"hidden": chance.choice([[1], [2], [2, 2]])}},
            {"model": {"dropout": chance.choice([0.95, 0.98])}},
            {"training": {"optimizer": decay}},
        ]
    )
    if "training" in fault:
        sound["training"] = sound["training"] | {"optimizer": decay | {"weight_decay": 0.0}}
    return _spec_fault(sound, fault, sound)


def too_big(chance: random.Random, fields: Fields) -> Planted:
    sound = with_fields(
        dense(fields), {"model": {"hidden": chance.choice([[256], [500], [256, 128]])}}
    )
    images = chance.choice([50, 100, 200])
    sound = with_fields(sound, {"training": {"schedule": None, "batch_size": 16}})
    fault = {"dataset": {"limit": images}, "training": {"epochs": 60}}
    return _spec_fault(sound, fault, sound)


def too_short(chance: random.Random, fields: Fields) -> Planted:
    optimizer = chance.choice(
        [{"name": "sgd", "lr": 0.003}, {"name": "adam", "lr": 0.0003}, {"name": "sgd", "lr": 0.002}]
    )
    changes = {"optimizer": optimizer, "schedule": None, "epochs": 40, "batch_size": 32}
    sound = with_fields(dense(fields), {"training": changes})
    sound["training"]["optimizer"] = optimizer
    if fields["dataset"]["name"] == "mnist":
        sound["dataset"] = {"name": "mnist", "limit": 3000}
    return _spec_fault(sound, {"training": {"epochs": chance.choice([1, 2])}}, sound)


def too_long(chance: random.Random, fields: Fields) -> Planted:
    sound = with_fields(dense(fields), {"training": {"schedule": None, "batch_size": 32}})
    epochs = chance.choice([80, 120])
    if fields["dataset"]["name"] == "mnist":
        sound["dataset"] = {"name": "mnist", "limit": 1500}
    return _spec_fault(sound, {"training": {"epochs": epochs}}, sound)


def raw_pixels(_chance: random.Random, fields: Fields) -> Planted:
    return _spec_fault(fields, {"dataset": {"normalization": "none"}})


def broken(chance: random.Random, fields: Fields) -> Planted:
    share = chance.choice([0.8, 0.9])
    masks = chance.random() < 0.5

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        images, tests = dataset.train_images.copy(), dataset.test_images.copy()
        if masks:  # most of the sensor is stuck
            stuck = draw.random(images.shape[1:]) < share
            images[:, stuck] = tests[:, stuck] = 7
        else:  # many files could not be read
            images[draw.random(len(images)) < 0.3] = 0
        return replace(dataset, train_images=images, test_images=tests)

    return Planted("", "", fields, fields, tamper=tamper)


def wrong_labels(chance: random.Random, fields: Fields) -> Planted:
    share = chance.choice([0.3, 0.5, 1.0])

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        labels = dataset.train_labels.copy()
        chosen = draw.random(len(labels)) < share
        labels[chosen] = draw.permutation(labels[chosen])
        return replace(dataset, train_labels=labels)

    return Planted("", "", fields, fields, tamper=tamper)


def imbalance(chance: random.Random, fields: Fields) -> Planted:
    favourite, part = chance.randrange(10), chance.choice([0.9, 0.95])

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        labels = dataset.train_labels
        frequent, rare = np.flatnonzero(labels == favourite), np.flatnonzero(labels != favourite)
        number = int(len(labels) * part)
        chosen = draw.permutation(
            np.concatenate(
                [draw.choice(frequent, number), draw.choice(rare, len(labels) - number, False)]
            )
        )
        return replace(
            dataset, train_images=dataset.train_images[chosen], train_labels=labels[chosen]
        )

    sound = with_fields(dense(fields), {"training": {"loss": {"class_weights": "balanced"}}})
    return Planted("", "", dense(fields), sound, curable=True, tamper=tamper)


def shifted(chance: random.Random, fields: Fields) -> Planted:
    how = chance.choice(["inverted", "brighter", "noisy", "moved"])

    def tamper(dataset: Dataset, draw: np.random.Generator) -> Dataset:
        highest = dataset.description.pixel_range[1]
        tests = dataset.test_images.astype(np.int64)
        match how:
            case "inverted":
                tests = highest - tests
            case "brighter":
                tests = tests + highest // 3
            case "noisy":
                tests = tests + draw.normal(0, highest / 2, tests.shape).astype(np.int64)
            case "moved":
                tests = np.roll(tests, tests.shape[-1] // 4, axis=-1)
        return replace(dataset, test_images=tests.clip(0, highest).astype(np.uint8))

    return Planted("", "", fields, fields, tamper=tamper)


def small_batch(chance: random.Random, fields: Fields) -> Planted:
    rate = chance.choice([0.05, 0.07, 0.1])
    optimizer = {"name": "sgd", "lr": rate, "momentum": 0.9}
    sound = dense(fields)
    sound["training"] = sound["training"] | {
        "optimizer": optimizer,
        "batch_size": 64,
        "schedule": None,
        "epochs": 12,
    }
    if fields["dataset"]["name"] == "mnist":
        sound["dataset"] = {"name": "mnist", "limit": 3000}
    return _spec_fault(sound, {"training": {"batch_size": 1}}, sound)


def large_batch(chance: random.Random, fields: Fields) -> Planted:
    sound = dense(fields)
    optimizer = chance.choice(
        [{"name": "sgd", "lr": 0.01}, {"name": "sgd", "lr": 0.02}, {"name": "adam", "lr": 0.0005}]
    )
    sound["training"] = sound["training"] | {
        "optimizer": optimizer,
        "schedule": None,
        "epochs": 8,
        "batch_size": 32,
    }
    return _spec_fault(sound, {"training": {"batch_size": chance.choice([2048, 8192])}}, sound)


def broken_number(chance: random.Random, fields: Fields) -> Planted:
    layer = chance.choice([0, -1])

    def sabotage(run: Run) -> None:
        weights = [p for p in run.network.parameters() if p.ndim > 1]
        with torch.no_grad():
            weights[layer][0, 0] = float("nan")

    return Planted("", "", fields, fields, sabotage=sabotage)


PLANTS: dict[str, Callable[[random.Random, Fields], Planted]] = {
    "learning_rate_too_high": rate_too_high,
    "learning_rate_too_low": rate_too_low,
    "vanishing_gradients": vanishing,
    "exploding_gradients": exploding,
    "dead_relus": dead,
    "bad_initialization": bad_start,
    "underfitting": too_small,
    "overfitting": too_big,
    "stopped_too_early": too_short,
    "trained_too_long": too_long,
    "inputs_not_normalized": raw_pixels,
    "broken_features": broken,
    "noisy_labels": wrong_labels,
    "class_imbalance": imbalance,
    "distribution_shift": shifted,
    "batch_too_small": small_batch,
    "batch_too_large": large_batch,
    "non_finite": broken_number,
}


def spec_of(fields: Fields) -> JobSpec:
    """The fields as a spec."""
    return JobSpec.model_validate(fields)
