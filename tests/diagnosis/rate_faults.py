"""Faults of rate, batch and length, planted into specs."""

import random

from tests.diagnosis.draws import Fields, Planted, dense, spec_fault, with_fields


def rate_too_high(chance: random.Random, fields: Fields) -> Planted:
    name = fields["training"]["optimizer"]["name"]
    rates = {"sgd": [5.0, 20.0, 100.0, 500.0], "rmsprop": [0.5, 2.0]}.get(name, [0.5, 2.0, 10.0])
    fault = {"training": {"optimizer": {"lr": chance.choice(rates)}}}
    return spec_fault(fields, fault)


def rate_too_low(chance: random.Random, fields: Fields) -> Planted:
    name = fields["training"]["optimizer"]["name"]
    rates = {"sgd": [1e-6, 1e-5, 3e-5]}.get(name, [1e-8, 1e-7, 1e-6])
    return spec_fault(fields, {"training": {"optimizer": {"lr": chance.choice(rates)}}})


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
    return spec_fault(sound, {"training": {"batch_size": 1}}, sound)


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
    return spec_fault(sound, {"training": {"batch_size": chance.choice([2048, 8192])}}, sound)


def too_short(chance: random.Random, fields: Fields) -> Planted:
    optimizer = chance.choice(
        [{"name": "sgd", "lr": 0.003}, {"name": "adam", "lr": 0.0003}, {"name": "sgd", "lr": 0.002}]
    )
    changes = {"optimizer": optimizer, "schedule": None, "epochs": 40, "batch_size": 32}
    sound = with_fields(dense(fields), {"training": changes})
    sound["training"]["optimizer"] = optimizer
    if fields["dataset"]["name"] == "mnist":
        sound["dataset"] = {"name": "mnist", "limit": 3000}
    return spec_fault(sound, {"training": {"epochs": chance.choice([1, 2])}}, sound)


def too_long(chance: random.Random, fields: Fields) -> Planted:
    sound = with_fields(dense(fields), {"training": {"schedule": None, "batch_size": 32}})
    epochs = chance.choice([80, 120])
    if fields["dataset"]["name"] == "mnist":
        sound["dataset"] = {"name": "mnist", "limit": 1500}
    return spec_fault(sound, {"training": {"epochs": epochs}}, sound)


def kept_up_by_noise(chance: random.Random, fields: Fields) -> Planted:
    """Steps so long that the loss settles far above what a tenth of the rate reaches."""
    sound = dense(fields) | {"dataset": {"name": "mnist", "limit": chance.choice([12000, 20000])}}
    sound["model"]["hidden"] = chance.choice([[200, 100], [128, 64]])
    sound["model"]["dropout"] = 0.2
    batch = 32
    optimizer = chance.choice(
        [
            {"name": "sgd", "lr": 0.005, "momentum": 0.9},
            {"name": "adam", "lr": 0.001},
            {"name": "adamw", "lr": 0.001},
        ]
    )
    changes = {"optimizer": optimizer, "schedule": None, "batch_size": batch, "epochs": 5}
    sound["training"] = sound["training"] | changes
    return spec_fault(sound, {"training": {"optimizer": {"lr": 10 * optimizer["lr"]}}}, sound)


def starved(chance: random.Random, fields: Fields) -> Planted:
    """A schedule that takes the rate away after the first epoch."""
    sound = dense(fields)
    optimizer = chance.choice(
        [{"name": "sgd", "lr": 0.005}, {"name": "sgd", "lr": 0.003}, {"name": "adam", "lr": 0.0005}]
    )
    changes = {"optimizer": optimizer, "schedule": None, "epochs": 24, "batch_size": 64}
    sound["training"] = sound["training"] | changes
    if fields["dataset"]["name"] == "mnist":
        sound["dataset"] = {"name": "mnist", "limit": 3000}
    schedule = {"name": "step", "every": 1, "factor": chance.choice([0.05, 0.01, 0.001])}
    return spec_fault(sound, {"training": {"schedule": schedule}}, sound)


def clipped(chance: random.Random, fields: Fields) -> Planted:
    sound = dense(fields)
    optimizer = {"name": "sgd", "lr": chance.choice([0.01, 0.02, 0.05]), "momentum": 0.9}
    sound["training"] = sound["training"] | {"optimizer": optimizer, "schedule": None}
    limit = chance.choice([1e-5, 1e-4, 1e-3])
    return spec_fault(sound, {"training": {"gradient_clipping": limit}}, sound)
