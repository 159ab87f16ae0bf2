"""Which recipe for pictures is the best: validation accuracy of each over several seeds.

The pictures are those of `emoji-32.zip`. A seed draws the held-out fifth of the training part, the
first weights and the order; the same seeds for each recipe. The preset `images-best` was chosen so.
The accuracy on the test part is shown beside it and has chosen nothing.

    python -m benchmarks.picture_recipes FOLDER_OF_THE_ZIP [--seeds 4]
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.client import Client
from app.jobspec.presets import laid_over
from app.local import running
from app.settings import Settings
from benchmarks.machine import described_when_idle

WORKERS = 2
"""As many jobs run at once, one thread each."""
ON_ONE_THREAD: dict[str, Any] = {
    "dataset": {"name": "emoji", "validation_fraction": 0.2},
    "resources": {"threads": 1},
}
LONG: dict[str, Any] = {
    "preset": "images",
    "dataset": {"augment": {"flip": True, "crop": 0.4, "color": 0.2, "erase": 0.25}},
    "training": {"epochs": 100, "optimizer": {"weight_decay": 0.05}},
}
RESNET: dict[str, Any] = {
    "kind": "resnet",
    "width": 32,
    # in the place of what `images` sets for its convolutions
    "channels": None,
    "kernel": None,
    "hidden": [],
}
RECIPES: dict[str, dict[str, Any]] = {
    "`images`, 40 epochs": {"preset": "images"},
    "`images-best`": {"preset": "images-best"},
    "`images`, 100 epochs, more augmentation": LONG,
    "the same, four convolutions": laid_over(LONG, {"model": {"channels": [32, 64, 128, 256]}}),
    "the same, resnet of width 32": laid_over(LONG, {"model": RESNET | {"blocks": 1}}),
}


class Measured(NamedTuple):
    """Of one job: accuracy on the held-out fifth and on the test part, and seconds that it ran."""

    validation: float
    test: float
    seconds: float


def main() -> None:
    """Prints a line for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    asked = parser.parse_args()
    source = asked.folder / "emoji-32.zip"
    if not source.exists():
        print(f"skipped: there is no {source}")
        return
    print(described_when_idle("torch"))
    with (
        tempfile.TemporaryDirectory() as home,
        running(Settings(home=Path(home), port=0), Path(home) / "log", WORKERS) as up,
        Client(up.url) as client,
    ):
        client.datasets.add("emoji", source, image={"size": 32, "color": "rgb"})
        print("| recipe | validation | standard error | test | seconds, one thread |")
        print("|---|---|---|---|---|")
        jobs = {
            name: [submitted(client, recipe, seed) for seed in range(asked.seeds)]
            for name, recipe in RECIPES.items()
        }
        for name, ids in jobs.items():
            print(line(name, [measured(client, job_id) for job_id in ids]), flush=True)


def submitted(client: Client, recipe: dict[str, Any], seed: int) -> str:
    """The id of the recipe's job with this seed."""
    spec = laid_over(laid_over(recipe, ON_ONE_THREAD), {"training": {"seed": seed}})
    job_id: str = client.submit(spec)["id"]
    return job_id


def measured(client: Client, job_id: str) -> Measured:
    """What the job reached, once it has ended."""
    job = client.job(job_id)
    while job["status"] in {"queued", "running"}:
        job = client.job(job_id, wait=30)
    metrics = job["metrics"]
    began, ended = (np.datetime64(job[at][:-1]) for at in ("started_at", "ended_at"))
    seconds = float((ended - began) / np.timedelta64(1, "s"))
    return Measured(metrics["validation_accuracy"], metrics["test_accuracy"], seconds)


def line(name: str, found: list[Measured]) -> str:
    """A row of the table: means over the seeds."""
    validation, test, seconds = (statistics.fmean(values) for values in zip(*found, strict=True))
    spread = statistics.stdev(one.validation for one in found) if len(found) > 1 else float("nan")
    error = spread / len(found) ** 0.5
    return f"| {name} | {validation:.1%} | {error:.1%} | {test:.1%} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
