"""Recipes to start from.

`mnist-fast` was chosen among six by validation accuracy (seeds 0, 1 and 2): 98.3%. `mnist-best` and
`digits` were run once, with seed 0, and not compared with other settings: 99.5% validation accuracy
in 93 s on two cores, and 96.5% in one second.

`images` was chosen on 1,500 emoji of nine classes, 32x32, by validation accuracy on a held-out 20%
(seeds 0 and 1, whose mean is uncertain by 1 to 3%). Flips and crops of at least half the area gave
74.2%, and 72.7% in 60 instead of 40 epochs; with colours and erasing as well 73.8%. Flips and
shifts by 3 pixels gave 72.8%; with turns, scaling and erasing as well 71.2%. The differences are
within chance.

`images-best` was chosen on the same emoji by the same measure, with four seeds
(`benchmarks/picture_recipes.py`): 72.9% (standard error 0.5%), where `images` has 68.9% (1.2%).
With its distortions and 100 epochs `images` has 70.5% (0.6%), with a fourth convolution as well
71.1% (0.9%); residual networks of width 32 had 71.3% and 71.7% (two seeds).

`transfer` is a linear classifier on features of a network trained on ImageNet, as in Kornblith,
Shlens and Le, "Do Better ImageNet Models Transfer Better?", 2019. Its settings are usual ones; they
were not compared with others, because no such weights could be had where traind was made.

`table` is the plain MLP of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data",
2021 (ReLU, dropout, AdamW, early stopping with a patience of 16), in a size that suits a few
hundred to a few ten thousand rows. Among seven settings it was the best or near it in validation
accuracy on iris and a made-up table of incomes, and within 1.5% and 3.5% of the best on breast
cancer and diabetes (seeds 0 to 3): within chance.

`textbook` is gradient descent as in Nielsen, "Neural Networks and Deep Learning", 2015, chapters 1
and 2, one example at a time: n inputs, m hidden sigmoid units, one sigmoid output, squared error.
Among 24 settings (m, rate, epochs and batch size; 4 or 5 seeds) it is one with which the diagnosis
finds no fault; validation accuracy was 95% to 97% with all of them.
"""

from typing import Any, Literal, NamedTuple

PresetName = Literal[
    "reference",
    "mnist-fast",
    "mnist-best",
    "digits",
    "images",
    "images-best",
    "transfer",
    "table",
    "textbook",
]


class Preset(NamedTuple):
    """A recipe: the fields that it sets, and what to expect of it."""

    about: str
    spec: dict[str, Any]


PRESETS: dict[str, Preset] = {
    "reference": Preset("The textbook's own: what `{}` means.", {"name": "reference"}),
    "mnist-fast": Preset(
        "The reference network to 98% on MNIST in seconds.",
        {
            "name": "mnist-fast",
            "training": {
                "epochs": 4,
                "batch_size": 128,
                "log_every": 100,
                "loss": {"label_smoothing": 0.05},
                "optimizer": {"lr": 0.15},
                "schedule": {"name": "one_cycle"},
            },
        },
    ),
    "mnist-best": Preset(
        "The best on MNIST that two cores reach within two minutes, with convolutions.",
        {
            "name": "mnist-best",
            "dataset": {"augment": {"shift": 2, "rotation": 10, "scale": 0.1}},
            "model": {"kind": "cnn", "channels": [16, 32], "hidden": [128], "batch_norm": True},
            "training": {
                "epochs": 8,
                "batch_size": 128,
                "log_every": 100,
                "loss": {"label_smoothing": 0.05},
                "optimizer": {"name": "adamw", "lr": 0.005, "weight_decay": 0.05},
                "schedule": {"name": "one_cycle"},
            },
            "resources": {"threads": 2},
        },
    ),
    "digits": Preset(
        "A good network for the 8x8 digits, which need no download.",
        {
            "name": "digits",
            "dataset": {"name": "digits"},
            "training": {
                "epochs": 20,
                "batch_size": 16,
                "log_every": 50,
                "optimizer": {"lr": 0.02},
                "schedule": {"name": "one_cycle"},
            },
        },
    ),
    "images": Preset(
        "A sound start for pictures of your own, some hundred to some ten thousand: convolutions.",
        {
            "name": "images",
            "dataset": {"augment": {"flip": True, "crop": 0.5}},
            "model": {
                "kind": "cnn",
                "channels": [32, 64, 128],
                "kernel": 3,
                "hidden": [128],
                "dropout": 0.3,
                "batch_norm": True,
            },
            "training": {
                "epochs": 40,
                "batch_size": 64,
                "log_every": 20,
                "loss": {"label_smoothing": 0.1},
                "optimizer": {"name": "adamw", "lr": 0.004, "weight_decay": 0.01},
                "schedule": {"name": "one_cycle"},
            },
            "resources": {"threads": 2},
        },
    ),
    "images-best": Preset(
        "A better network for pictures of your own than `images`, in ten to twenty times its time.",
        {
            "name": "images-best",
            "dataset": {"augment": {"flip": True, "crop": 0.4, "color": 0.2, "erase": 0.25}},
            "model": {
                "kind": "cnn",
                "channels": [64, 128, 256],
                "kernel": 3,
                "pool": "global",
                "hidden": [128],
                "dropout": 0.3,
                "batch_norm": True,
            },
            "training": {
                "epochs": 100,
                "batch_size": 64,
                "log_every": 20,
                "loss": {"label_smoothing": 0.1},
                "optimizer": {"name": "adamw", "lr": 0.004, "weight_decay": 0.05},
                "schedule": {"name": "one_cycle"},
            },
            "resources": {"threads": 2},
        },
    ),
    "transfer": Preset(
        "A few pictures of your own: a new output layer on a network that has seen a million.",
        {
            "name": "transfer",
            "model": {"kind": "pretrained"},
            "training": {
                "epochs": 30,
                "batch_size": 64,
                "log_every": 20,
                "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.01},
                "schedule": {"name": "one_cycle"},
            },
            "resources": {"threads": 2},
        },
    ),
    "table": Preset(
        "A sound start for a table of your own: one hidden layer behind its columns.",
        {
            "name": "table",
            "dataset": {"name": "breast-cancer", "validation_fraction": 0.2},
            "model": {"hidden": [128], "dropout": 0.1},
            "training": {
                "epochs": 200,
                "batch_size": 32,
                "log_every": 20,
                "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.01},
                "early_stopping": {"patience": 16},
            },
        },
    ),
    "textbook": Preset(
        "The textbook's formulas as a job: n inputs, m hidden sigmoid units, one sigmoid output.",
        {
            "name": "textbook",
            "dataset": {"name": "breast-cancer"},
            "model": {"hidden": [10], "activation": "sigmoid", "output": "sigmoid"},
            "training": {
                "epochs": 10,
                "batch_size": 1,
                "log_every": 100,
                "loss": {"name": "mse"},
                "optimizer": {"lr": 0.1, "momentum": 0.0},
                "gradient": "chain_rule",
            },
        },
    ),
}


def laid_over(recipe: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the wanted fields on top of it, section by section."""
    merged = dict(recipe)
    for key, value in wanted.items():
        below = merged.get(key)
        both = isinstance(value, dict) and isinstance(below, dict)
        merged[key] = laid_over(below, value) if both and below else value
    return merged
