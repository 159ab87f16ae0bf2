"""What a diagnosis costs: the same jobs with and without one, by turns.

    python -m benchmarks.diagnosis [--rounds 5] [--write]

Throughput counts the epochs' time, with all that is measured in them. The seconds at the end of a
run, when the trained network is judged, are told beside it; a run that does badly has rates tried
as well. The aim is under 3% of the throughput.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from app.jobspec import BUILT_IN_DATASETS, JobSpec
from benchmarks import machine, mnist, readme
from worker import datasets
from worker.messages import Epoch, Log, Report
from worker.training.dataset import Dataset, load
from worker.training.run import Run

JOBS: dict[str, dict[str, Any]] = {
    "MNIST, 784-500-10, SGD, batch 4": {"training": {"epochs": 1}},
    "MNIST, 784-500-10, SGD, batch 64": {
        "training": {"epochs": 4, "batch_size": 64, "optimizer": {"lr": 0.05}}
    },
    "MNIST, 784-500-10, Adam, batch 64": {
        "training": {"epochs": 3, "batch_size": 64, "optimizer": {"name": "adam"}}
    },
    "MNIST, 784-500-10, SGD, batch 512": {
        "training": {"epochs": 6, "batch_size": 512, "optimizer": {"lr": 0.1}}
    },
    "MNIST (10,000), convolutions, batch 64": {
        "dataset": {"limit": 10_000},
        "model": {"kind": "cnn", "channels": [8, 16], "hidden": [64]},
        "training": {"epochs": 1, "batch_size": 64, "optimizer": {"lr": 0.05}},
    },
    "digits, 64-128-10, SGD, batch 32": {
        "dataset": {"name": "digits"},
        "model": {"hidden": [128]},
        "training": {"epochs": 60, "batch_size": 32, "optimizer": {"lr": 0.02}},
    },
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    source = mnist.source()
    lines = [machine.described_when_idle("torch") + f", medians of {arguments.rounds} rounds:", ""]
    lines += [
        "| job | images a second without | with | cost | seconds at the end | memory |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as home:
        for name in ("digits", "mnist"):
            datasets.decode(name, Path(home), source)
        found = {
            name: load(Path(home) / name, BUILT_IN_DATASETS[name]) for name in ("digits", "mnist")
        }
        for name, fields in JOBS.items():
            lines.append(row(name, fields, found, arguments.rounds))
            print(lines[-1], flush=True)
    if arguments.write:
        readme.write("diagnosis", "\n".join(lines))


def row(name: str, fields: dict[str, Any], found: dict[str, Dataset], rounds: int) -> str:
    """Medians of a job with and without a diagnosis, by turns."""
    specs = [JobSpec.model_validate(fields | {"diagnosis": on}) for on in (False, True)]
    dataset = found[specs[0].dataset.name]
    measured: list[list[tuple[float, float, float]]] = [[], []]
    for number in range(rounds):
        for on in (0, 1) if number % 2 else (1, 0):
            measured[on].append(timed(specs[on], dataset))
    without, with_it = (statistics.median(rate for rate, _, _ in each) for each in measured)
    costs = [1 - b[0] / a[0] for a, b in zip(*measured, strict=True)]
    ends = [statistics.median(end for _, end, _ in each) for each in measured]
    memory = [statistics.median(mb for _, _, mb in each) for each in measured]
    return (
        f"| {name} | {without:,.0f} | {with_it:,.0f} | {statistics.median(costs):.1%} "
        f"({min(costs):.1%} to {max(costs):.1%}) | {ends[1] - ends[0]:.2f} "
        f"| {memory[1] - memory[0]:+.1f} MB |"
    )


def timed(spec: JobSpec, dataset: Dataset) -> tuple[float, float, float]:
    """Images a second in the epochs, seconds after the last epoch, and MB that the run took."""
    before = psutil.Process().memory_info().rss
    seconds = 0.0
    ended = time.perf_counter()

    def report(message: Report) -> None:
        nonlocal seconds, ended
        if isinstance(message, Epoch):
            seconds += message.seconds
        elif message == Log("Finished Training"):
            ended = time.perf_counter()

    Run(spec, dataset, report, lambda: None).run()
    end = time.perf_counter() - ended
    took = (psutil.Process().memory_info().rss - before) / 1e6
    return spec.training.epochs * spec.dataset.training_images / seconds, end, took


if __name__ == "__main__":
    main()
