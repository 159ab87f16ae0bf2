"""Ten of the worst specs, each of which the service is to bring to a healthy model by itself."""

from typing import Any

WORST: dict[str, dict[str, Any]] = {
    "rate 100": {"training": {"optimizer": {"lr": 100.0}}},
    "rate 1e-6": {"training": {"optimizer": {"lr": 1e-6}}},
    "ten sigmoid layers": {"model": {"hidden": [64] * 10, "activation": "sigmoid"}},
    "dropout 0.95": {"model": {"dropout": 0.95}},
    "one hidden unit": {"model": {"hidden": [1]}},
    "50 training images": {"dataset": {"limit": 50}, "training": {"epochs": 60}},
    "weights of zero": {"model": {"initialization": "zeros"}},
    "six layers of N(0, 1)": {"model": {"hidden": [100] * 6, "initialization": "normal"}},
    "all units dead": {"model": {"initial_bias": -10.0}},
    "raw pixels, one step an epoch, rate 100, one hidden unit": {
        "dataset": {"normalization": "none"},
        "model": {"hidden": [1]},
        "training": {"batch_size": 8192, "optimizer": {"lr": 100.0}},
    },
}
"""On `digits`; what is not named is the reference's."""


def spec_of(name: str) -> dict[str, Any]:
    """The named spec."""
    fields = WORST[name]
    training = {"batch_size": 32, "epochs": 15, "log_every": 100} | fields.get("training", {})
    dataset = {"name": "digits"} | fields.get("dataset", {})
    return {"name": name} | fields | {"dataset": dataset, "training": training}
