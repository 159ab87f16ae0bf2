"""Runs cut at random steps and resumed in a fresh process: does every digest come out the same?

    python -m tests.torture.resume_matrix [--cuts 5] [--every 1] [--seed N]

One process trains each configuration without a break and once for each cut, up to the cut; another
process, which shares nothing with it but the checkpoints on disk, takes each up and finishes it. No
database has a part in it.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.codes import StopReason
from app.jobspec import BUILT_IN_DATASETS, JobSpec
from worker import datasets
from worker.messages import Checkpoint, Report
from worker.training.dataset import Dataset, load
from worker.training.interruptions import Stopping
from worker.training.run import Run

BASE: dict[str, Any] = {
    "dataset": {"name": "digits", "limit": 400},
    "model": {"hidden": [24]},
    "training": {"epochs": 3, "batch_size": 16, "log_every": 5, "optimizer": {"lr": 0.02}},
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.0},
    "momentum": {"weight_decay": 0.001},
    "nesterov": {"nesterov": True},
    "adam": {"name": "adam", "lr": 0.003},
    "adamw": {"name": "adamw", "lr": 0.003, "weight_decay": 0.01},
    "rmsprop": {"name": "rmsprop", "lr": 0.001, "momentum": 0.5},
    "adagrad": {"name": "adagrad"},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "step": {"name": "step", "factor": 0.5},
    "cosine": {"name": "cosine", "warmup": 0.1},
    "one_cycle": {"name": "one_cycle"},
    "plateau": {"name": "reduce_on_plateau", "patience": 0, "factor": 0.5},
}
PARTS: dict[str, dict[str, Any]] = {
    "dropout": {"model": {"dropout": 0.3}},
    "augmented": {
        "dataset": {"augment": {"shift": 1, "rotation": 10, "scale": 0.1, "elastic": 0.5}}
    },
    "noise": {"dataset": {"augment": {"noise": 0.1}}, "model": {"dropout": 0.2}},
    "stopped early": {
        "training": {
            "epochs": 20,
            "early_stopping": {"patience": 4},
            "optimizer": {"lr": 0.3},
        }
    },
    "by accuracy": {
        "training": {
            "epochs": 6,
            "early_stopping": {"patience": 2, "metric": "validation_accuracy"},
        }
    },
    "clipped": {"training": {"gradient_clipping": 0.5}},
    "smoothed": {"training": {"loss": {"label_smoothing": 0.1, "class_weights": "balanced"}}},
    "mse": {"training": {"loss": {"name": "mse"}}},
    "gelu": {"model": {"activation": "gelu", "hidden": [24, 16]}},
    "normalized": {"model": {"batch_norm": True}, "training": {"batch_size": 18}},
    "convolutions": {"model": {"kind": "cnn", "channels": [4, 8], "kernel": 3}},
    "normalized convolutions": {
        "model": {"kind": "cnn", "channels": [4], "batch_norm": True, "dropout": 0.2},
        "training": {"batch_size": 18, "optimizer": {"name": "adamw"}},
    },
    "pooled by the mean": {
        "model": {"kind": "cnn", "channels": [4, 8], "kernel": 3, "pool": "average"}
    },
    "residual": {
        "model": {"kind": "resnet", "width": 4, "hidden": [], "dropout": 0.2},
        "training": {"batch_size": 18, "optimizer": {"name": "adamw"}},
    },
    "as pictures": {
        "dataset": {"augment": {"flip": True, "crop": 0.7, "color": 0.3, "erase": 0.3}}
    },
    "bfloat16": {"training": {"precision": "bfloat16"}},
    "bfloat16 convolutions": {
        "model": {"kind": "cnn", "channels": [4], "kernel": 3},
        "training": {"precision": "bfloat16"},
    },
    "stopped at a plateau": {
        "training": {
            "epochs": 20,
            "schedule": {"name": "reduce_on_plateau", "patience": 1},
            "early_stopping": {"patience": 5},
            "optimizer": {"lr": 0.3},
        }
    },
    "whole": {"dataset": {"limit": None}, "training": {"epochs": 1}},
    "without validation": {"dataset": {"validation_fraction": 0.0}},
    "two threads": {"resources": {"threads": 2}},
}


BY_BLOCKS: dict[str, Any] = {"model": {"hidden": [1600]}, "training": {"batch_size": 4}}
"""A first layer so large, and mini-batches so small, that 32 of them are taken as one block."""
IN_BLOCKS: dict[str, dict[str, Any]] = {
    "sgd": {"training": {"optimizer": OPTIMIZERS["sgd"]}},
    "momentum": {"training": {"optimizer": OPTIMIZERS["momentum"]}},
    "nesterov": {"training": {"optimizer": OPTIMIZERS["nesterov"]}},
    **{name: {"training": {"schedule": schedule}} for name, schedule in SCHEDULES.items()},
    **{
        name: PARTS[name]
        for name in ("dropout", "augmented", "by accuracy", "smoothed", "mse", "two threads")
    },
    "deep": {"model": {"hidden": [1600, 30, 20], "activation": "gelu", "dropout": 0.2}},
    "of two": {"training": {"batch_size": 2, "log_every": 7}},
    "a last mini-batch of one": {"dataset": {"limit": 401, "validation_fraction": 0.0}},
}
LARGE: dict[str, Any] = {"model": {"hidden": [1600]}, "training": {"batch_size": 32}}
"""Products so large that another library may give them (worker/training/products.py)."""
LARGE_PRODUCTS: dict[str, dict[str, Any]] = {
    "momentum": {},
    "adam": {"training": {"optimizer": OPTIMIZERS["adam"]}},
    "autograd": {"training": {"gradient": "autograd"}},
    "two threads": PARTS["two threads"],
    "bfloat16": {"training": {"precision": "bfloat16", "batch_size": 180}},
}


def merged(*specs: dict[str, Any]) -> dict[str, Any]:
    """The specs laid over each other, the last on top."""
    made: dict[str, Any] = {}
    for spec in specs:
        for key, value in spec.items():
            both = isinstance(value, dict) and isinstance(made.get(key), dict)
            made[key] = merged(made[key], value) if both else value
    return made


def configurations() -> dict[str, dict[str, Any]]:
    """Every optimizer by both loops, every schedule, other parts, blocks, large products."""
    found: dict[str, dict[str, Any]] = {}
    for name, optimizer in OPTIMIZERS.items():
        for gradient in ("autograd", "chain_rule"):
            training = {"gradient": gradient, "optimizer": optimizer}
            found[f"{name}, {gradient}"] = merged(BASE, {"training": training})
    for name, schedule in SCHEDULES.items():
        noisy = {"epochs": 8, "optimizer": {"lr": 0.3}}  # so that a plateau is reached
        found[name] = merged(BASE, {"training": {"schedule": schedule} | noisy})
    found |= {name: merged(BASE, part) for name, part in PARTS.items()}
    for name, part in IN_BLOCKS.items():
        found[f"{name}, in blocks"] = merged(BASE, BY_BLOCKS, part)
    for name, part in LARGE_PRODUCTS.items():
        found[f"{name}, large products"] = merged(BASE, LARGE, part)
    return found


def digest(spec: JobSpec, dataset: Dataset, checkpoint: bytes | None = None) -> str:
    """The weights' digest at the end of a run."""
    return Run(spec, dataset, lambda _: None, lambda: None).run(checkpoint).weights_sha256


def cut(spec: JobSpec, dataset: Dataset, at: int) -> bytes | None:
    """The checkpoint of a run that is told to stop at a step; None if it ended before.

    Within a block the stop takes effect at the block's end.
    """
    reports: list[Report] = []

    def stop() -> StopReason | None:
        return StopReason.SHUTDOWN if run._state.position.step >= at else None

    run = Run(spec, dataset, reports.append, stop)
    try:
        run.run()
    except Stopping:
        return [each for each in reports if isinstance(each, Checkpoint)][-1].content
    return None


def cut_all(folder: Path, cuts: int, every: int, seed: int) -> None:
    """The first process: digests of whole runs, and checkpoints of cut ones."""
    chance = random.Random(seed)
    dataset = load(folder / "digits", BUILT_IN_DATASETS["digits"])
    for name, fields in list(configurations().items())[seed % every :: every]:
        spec = JobSpec.model_validate(fields)
        whole = digest(spec, dataset)
        for at in sorted(chance.sample(range(1, spec.steps), cuts)):
            kept = cut(spec, dataset, at)
            if kept is not None:
                (folder / f"{name} @ {at}.cut").write_bytes(kept)
                (folder / f"{name} @ {at}.json").write_text(json.dumps([fields, whole]))


def resume_all(folder: Path) -> None:
    """The second process: resumes each and says whether the digest is that of the whole run."""
    dataset = load(folder / "digits", BUILT_IN_DATASETS["digits"])
    for kept in sorted(folder.glob("*.cut")):
        fields, whole = json.loads(kept.with_suffix(".json").read_text())
        resumed = digest(JobSpec.model_validate(fields), dataset, kept.read_bytes())
        print(json.dumps([kept.stem, resumed == whole]))


def run(cuts: int, every: int, seed: int) -> dict[str, bool]:
    """Whether each cut run came out bit for bit; of every `every`-th spec only."""
    with tempfile.TemporaryDirectory() as folder:
        datasets.decode("digits", Path(folder), None)
        me = [sys.executable, "-m", "tests.torture.resume_matrix", "--folder", folder]
        numbers = ["--cuts", str(cuts), "--every", str(every), "--seed", str(seed)]
        subprocess.run([*me, *numbers], check=True)
        resumed = subprocess.run([*me, "--resume"], check=True, stdout=subprocess.PIPE)
        return dict(json.loads(line) for line in resumed.stdout.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    if arguments.resume:
        resume_all(arguments.folder)
    elif arguments.folder:
        cut_all(arguments.folder, arguments.cuts, arguments.every, arguments.seed)
    else:
        print(f"seed {arguments.seed}")
        found = run(arguments.cuts, arguments.every, arguments.seed)
        for name, equal in found.items():
            print("equal " if equal else "DIFFERS", name)
        specs = {name.partition(" @ ")[0] for name in found}
        print(f"{sum(found.values())} of {len(found)} equal, {len(specs)} configurations")
        sys.exit(0 if found and all(found.values()) else 1)


if __name__ == "__main__":
    main()
