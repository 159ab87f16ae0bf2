"""Data-parallel training with one worker and with two, beside plain `torchrun` on the same cores.

What is expected follows from two measured times. A step of one process takes c seconds, and adding
up the gradients of N processes r seconds; if nothing overlaps, a step takes c/N + r, so that N
processes have the efficiency 1 / (1 + N r / c).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from app.client import Client
from app.local import running
from app.settings import Settings
from benchmarks.contenders import MOMENTUM, RATES
from benchmarks.estimate import await_calibration
from worker import datasets

WORKERS = (1, 2)


class Training(NamedTuple):
    """What is trained, and how many images of it are enough to see its rate."""

    batch: int
    units: tuple[int, ...]
    images: int


TRAININGS = [
    Training(64, (500,), 50_000),
    Training(512, (500,), 50_000),
    Training(512, (2048, 2048), 20_000),
]


class Alone(NamedTuple):
    """What `torchrun` says of itself."""

    rate: float
    gradient_bytes: float
    added_seconds: float


def table(source: Path) -> list[str]:
    """A row for each training; `source` holds MNIST."""
    lines = [
        "| hidden units, batch | ours, 1 worker | 2 workers | efficiency | torchrun, 1 process | "
        "2 processes | efficiency | expected | gradients, MB | added up in, ms |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        datasets.decode("mnist", home / "datasets", source)
        settings = Settings(home=home, port=0, datasets=source, engine="ray")
        with running(settings, home / "log") as service, Client(service.url) as client:
            await_calibration(client)
            ours = {each: [_job(client, each, count) for count in WORKERS] for each in TRAININGS}
        for training, (one, two) in ours.items():
            alone, both = (_torchrun(home / "datasets" / "mnist", training, n) for n in WORKERS)
            expected = 1 / (1 + 2 * both.added_seconds * alone.rate / training.batch)
            lines.append(
                f"| {' and '.join(map(str, training.units))}, {training.batch} | {one:,.0f} | "
                f"{two:,.0f} | {two / one / 2:.0%} | {alone.rate:,.0f} | {both.rate:,.0f} | "
                f"{both.rate / alone.rate / 2:.0%} | {expected:.0%} | "
                f"{alone.gradient_bytes / 1e6:.1f} | {1000 * both.added_seconds:.1f} |"
            )
            print(lines[-1], flush=True)
    return [*lines, ""]


def _job(client: Client, training: Training, workers: int) -> float:
    """Images a second of a job, by its own events."""
    spec: dict[str, Any] = {
        "dataset": {"validation_fraction": 0.0, "limit": training.images},
        "model": {"hidden": list(training.units)},
        "training": {
            "epochs": 2,
            "batch_size": training.batch,
            "optimizer": {"lr": RATES["sgd"], "momentum": MOMENTUM},
        },
        "resources": {"threads": 1, "workers": workers},
    }
    job = client.submit(spec)
    told = [each.data for each in client.watch(job["id"]) if each.kind == "epoch"]
    return float(training.images / told[-1]["data"]["seconds"])


def _torchrun(folder: Path, training: Training, processes: int) -> Alone:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), "-m", "benchmarks.contenders.ddp"]
    done = subprocess.run(
        [*command, str(folder), str(training.batch), *map(str, training.units)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Alone(*map(float, done.stdout.split()))
