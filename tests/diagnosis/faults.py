"""Each fault of the list, planted into specs drawn at random.

A draw follows from the name of its set and its number alone. The thresholds of
`worker.training.diagnosis` were chosen on the set `calibration`; other sets are for reports.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from tests.diagnosis import data_faults, rate_faults
from tests.diagnosis.draws import Fields, Planted, dense, healthy, spec_fault, with_fields


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
    return spec_fault(sound, {"model": model}, sound)


def exploding(chance: random.Random, fields: Fields) -> Planted:
    hidden = [chance.choice([64, 128])] * chance.choice([3, 4, 6])
    activation = chance.choice(["relu", "leaky_relu", "gelu"])
    sound = with_fields(
        deep(chance, fields), {"model": {"hidden": hidden, "activation": activation}}
    )
    return spec_fault(sound, {"model": {"initialization": "normal"}}, sound)


def dead(chance: random.Random, fields: Fields) -> Planted:
    sound = with_fields(dense(fields), {"model": {"activation": "relu"}})
    return spec_fault(sound, {"model": {"initial_bias": chance.choice([-5.0, -7.0, -10.0])}}, sound)


def bad_start(chance: random.Random, fields: Fields) -> Planted:
    sound = dense(fields)
    how = chance.choice(["zeros", "constant", "normal"])
    if how == "normal":
        sound = with_fields(sound, {"model": {"hidden": [chance.choice([128, 256])]}})
    return spec_fault(sound, {"model": {"initialization": how}}, sound)


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
    return spec_fault(sound, fault, sound)


def too_big(chance: random.Random, fields: Fields) -> Planted:
    sound = with_fields(
        dense(fields), {"model": {"hidden": chance.choice([[256], [500], [256, 128]])}}
    )
    images = chance.choice([50, 100, 200])
    sound = with_fields(sound, {"training": {"schedule": None, "batch_size": 16}})
    fault = {"dataset": {"limit": images}, "training": {"epochs": 60}}
    return spec_fault(sound, fault, sound)


def raw_pixels(_chance: random.Random, fields: Fields) -> Planted:
    return spec_fault(fields, {"dataset": {"normalization": "none"}})


PLANTS: dict[str, Callable[[random.Random, Fields], Planted]] = {
    "learning_rate_too_high": rate_faults.rate_too_high,
    "learning_rate_too_low": rate_faults.rate_too_low,
    "vanishing_gradients": vanishing,
    "exploding_gradients": exploding,
    "dead_relus": dead,
    "bad_initialization": bad_start,
    "underfitting": too_small,
    "overfitting": too_big,
    "stopped_too_early": rate_faults.too_short,
    "trained_too_long": rate_faults.too_long,
    "inputs_not_normalized": raw_pixels,
    "broken_features": data_faults.broken,
    "noisy_labels": data_faults.wrong_labels,
    "class_imbalance": data_faults.imbalance,
    "distribution_shift": data_faults.shifted,
    "batch_too_small": rate_faults.small_batch,
    "batch_too_large": rate_faults.large_batch,
    "learning_rate_too_high, noise": rate_faults.kept_up_by_noise,
    "learning_rate_too_low, schedule": rate_faults.starved,
    "clipping_too_tight": rate_faults.clipped,
    "non_finite": data_faults.broken_number,
}
"""By the code that is to be found first; what follows a comma tells faults of one code apart."""

NEEDS_MNIST = {"learning_rate_too_high, noise"}
"""Faults that digits, which is learned at any rate, cannot show."""


def planted(of: str, fault: str, number: int, *, mnist: bool) -> Planted:
    """The draw `number` of a fault of `PLANTS`, or of `healthy`, in the set `of`."""
    chance = random.Random(f"{of} {fault} {number}")
    fields = healthy(chance, mnist=mnist)
    if fault == "healthy":
        return Planted(fault, f"{of}-{fault}-{number}", fields, fields)
    plant = PLANTS[fault](chance, fields)
    return replace(plant, cause=code_of(fault), name=f"{of}-{fault}-{number}")


def code_of(fault: str) -> str:
    """The code that is to be found first."""
    return fault.partition(",")[0]
