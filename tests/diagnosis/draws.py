"""Specs drawn at random that train well: the ground into which faults are planted."""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

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


def dense(fields: Fields) -> Fields:
    """The same with fully connected layers only, and without batch normalization."""
    hidden = fields["model"]["hidden"]
    model = {"hidden": hidden, "activation": fields["model"]["activation"], "dropout": 0.0}
    return fields | {"model": model}


def spec_fault(fields: Fields, changes: Fields, sound: Fields | None = None) -> Planted:
    """The fields with changes that a spec can take back."""
    return Planted("", "", with_fields(fields, changes), sound or fields, curable=True)


def spec_of(fields: Fields) -> JobSpec:
    """The fields as a spec."""
    return JobSpec.model_validate(fields)
