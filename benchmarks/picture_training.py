"""Pictures trained on a second, beside a DataLoader over the same files and the same network.

    python -m benchmarks.picture_training [--images 100000] [--side 64] [--trained 20000]

Ours draws batches by row from the arrays that the import has made once; its epoch has the running
metrics and reports of a job, without diagnosis. The DataLoader reads torchvision's ImageFolder with
two processes, and trains the plain loop. Both train on `--trained` pictures, in batches of 64 and
one thread: the preset `images`' convolutions, where computing takes the time, and a small fully
connected network, where reading does.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from app.jobspec import DatasetFacts, JobSpec
from benchmarks.imports import order, pixels, synthetic
from benchmarks.machine import described_when_idle
from worker import memory
from worker.download import torchvision_datasets
from worker.imports.importing import imported
from worker.messages import Epoch, Report
from worker.training import networks
from worker.training.dataset import load
from worker.training.run import Run

BATCH = 64
WORKERS = 2
MODELS: dict[str, dict[str, Any]] = {
    "convolutions": {"kind": "cnn", "channels": [32, 64, 128], "kernel": 3, "hidden": [128]},
    "fully connected": {"hidden": [64]},
}


def main() -> None:
    """Prints the images a second of each, and of the import."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--trained", type=int, default=20_000)
    options = parser.parse_args()
    memory.keep_freed()  # as a training process does; the DataLoader's loop has it, too
    torch.set_num_threads(1)
    print(described_when_idle("torch", "torchvision", "pillow"))
    with tempfile.TemporaryDirectory() as folder:
        source = synthetic(Path(folder), options.images, options.side)
        began = time.perf_counter()
        done = imported(order(source, Path(folder)), lambda _: None)
        print(f"import: {options.images / (time.perf_counter() - began):,.0f} images a second")
        facts = DatasetFacts.stored({**done.facts, "id": "ds_benchmark", "version": 1})
        for name, model in MODELS.items():
            spec = wanted(facts, model, options.trained)
            ours = trained(spec, Path(folder) / "made", facts)
            theirs = loaded(spec, Path(folder) / "unpacked")
            print(f"{name}: {ours:,.0f} images a second", end="; ")
            print(f"DataLoader, {WORKERS} processes: {theirs:,.0f}; ratio {ours / theirs:.2f}")


def wanted(facts: DatasetFacts, model: dict[str, Any], images: int) -> JobSpec:
    """One epoch over this number of training images."""
    fields = {
        "dataset": {"name": "benchmark", "validation_fraction": 0.0, "limit": images},
        "model": model,
        "training": {"epochs": 1, "batch_size": BATCH, "optimizer": {"lr": 0.01}},
        "diagnosis": False,
    }
    return JobSpec.model_validate(fields, context={"benchmark": facts})


def trained(spec: JobSpec, folder: Path, facts: DatasetFacts) -> float:
    """Images a second of the job's epoch."""
    seconds = 0.0

    def report(message: Report) -> None:
        nonlocal seconds
        if isinstance(message, Epoch):
            seconds = message.seconds

    Run(spec, load(folder, facts), report, lambda: None).run()
    return spec.dataset.training_images / seconds


def loaded(spec: JobSpec, folder: Path) -> float:
    """Images a second of the plain loop over as many of the files."""
    dataset = torchvision_datasets().ImageFolder(folder, transform=scaled)
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=WORKERS)
    net = networks.build(spec).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    net.train()
    seen, began = 0, time.perf_counter()
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(net(inputs.contiguous(memory_format=torch.channels_last)), labels)
        loss.backward()
        optimizer.step()
        seen += len(labels)
        if seen >= spec.dataset.training_images:
            break
    return seen / (time.perf_counter() - began)


def scaled(image: Image.Image) -> torch.Tensor:
    """Pixels with mean 0 and deviation 1, about."""
    return (pixels(image).float() / 255 - 0.5) / 0.25


if __name__ == "__main__":
    main()
