"""Training on a dataset that is larger than the memory: a sparse file of 20 GB of blank pictures.

    python -m benchmarks.large [--gigabytes 20] [--steps 300]

A run is timed and its memory watched: what it has taken for itself (anonymous pages, of which the
kernel can drop none), beside the pages of the mapped file, which it can drop at any time.
"""

import argparse
import contextlib
import json
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from app.codes import StopReason
from app.jobspec import DatasetFacts, JobSpec
from benchmarks.machine import described_when_idle
from worker.training.dataset import Description, load
from worker.training.interruptions import Stopping
from worker.training.run import Run

SHAPE = (3, 64, 64)
CLASSES = 10
TEST = 1000
MODELS = {
    "mlp": {"hidden": [100]},
    "cnn": {"kind": "cnn", "channels": [8, 16], "kernel": 3, "hidden": [32]},
}
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    print(described_when_idle("torch"))
    count = int(arguments.gigabytes * 10**9 / np.prod(SHAPE))
    print(f"{count:,} pictures of {SHAPE}: {arguments.gigabytes:g} GB")
    with tempfile.TemporaryDirectory() as folder:
        facts = make(Path(folder), count)
        for name, model in MODELS.items():
            print(name, json.dumps(train(Path(folder), facts, model, arguments.steps)))


def make(folder: Path, count: int) -> DatasetFacts:
    """Files with holes: they take no room on the disk."""
    for part, number in (("train", count), ("test", TEST)):
        images = folder / f"{part}_images.npy"
        np.lib.format.open_memmap(images, "w+", np.uint8, (number, *SHAPE)).flush()
        np.save(folder / f"{part}_labels.npy", (np.arange(number) % CLASSES).astype(np.uint8))
    classes = [str(number) for number in range(CLASSES)]
    mean, std = [0.5] * SHAPE[0], [0.25] * SHAPE[0]
    description = Description("large", SHAPE, classes, (0, 255), mean, std, "")
    (folder / "dataset.json").write_bytes(msgspec.json.encode(description))
    return DatasetFacts(
        input_shape=SHAPE, classes=CLASSES, train_images=count, test_images=TEST, id="ds", sha256=""
    )


def train(
    folder: Path, facts: DatasetFacts, model: dict[str, object], steps: int
) -> dict[str, float]:
    """Steps of one run with its diagnosis; figures in MB and images a second."""
    fields = {
        "dataset": {"name": "large", "validation_fraction": 0.01},
        "model": model,
        "training": {"batch_size": BATCH},
    }
    spec = JobSpec.model_validate(fields, context={"large": facts})
    before = memory("Anonymous")
    peak, done, began = 0.0, 0, 0.0

    def stop_requested() -> StopReason | None:
        nonlocal peak, done, began
        began = began or time.perf_counter()
        done += 1
        if done % 10 == 0:
            peak = max(peak, memory("Anonymous"))
        return StopReason.CANCEL if done > steps else None

    with contextlib.suppress(Stopping):
        Run(spec, load(folder, facts), lambda _: None, stop_requested).run()
    rate = (done - 1) * BATCH / (time.perf_counter() - began)
    mapped = memory("Rss") - memory("Anonymous")
    figures = {"before": before, "peak": peak, "pages of files": mapped, "images a second": rate}
    return {name: round(value) for name, value in figures.items()}


def memory(field: str) -> float:
    """A sum over the process's pages, in MB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) / 1000


if __name__ == "__main__":
    main()
