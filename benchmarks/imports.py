"""Images imported a second, beside reading the same files with torchvision's ImageFolder.

    python -m benchmarks.imports [--images 10000] [--side 64] [--profile]

The import is the whole process: its start, both passes over a zip, hashes, duplicates, arrays and
report. ImageFolder reads the unpacked files once, in a DataLoader with as many processes as the
import has threads, and keeps nothing. Neither resizes: the pictures have the size already.
"""

import argparse
import cProfile
import io
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from app.jobspec.import_options import ImportOptions
from benchmarks.machine import described_when_idle
from worker.download import torchvision_datasets
from worker.imports.importing import imported
from worker.imports.messages import Import, Imported, decode

CLASSES = 10
ROUNDS = 3
BATCH = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--profile", action="store_true", help="where the import's time goes")
    options = parser.parse_args()
    print(described_when_idle("pillow", "imagehash", "torch", "torchvision"))
    with tempfile.TemporaryDirectory() as folder:
        source = synthetic(Path(folder), options.images, options.side)
        if options.profile:
            profile(source, Path(folder))
            return
        ours, theirs = [], []
        for _ in range(ROUNDS):  # in turns: other work on the machine meets both
            ours.append(import_seconds(source, Path(folder)))
            theirs.append(image_folder_seconds(Path(folder) / "unpacked"))
    rates = [options.images / statistics.median(each) for each in (ours, theirs)]
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    size = f"{options.images:,} PNG of {options.side} x {options.side}"
    print(f"import, {os.cpu_count()} threads: {rates[0]:,.0f} a second ({size})")
    print(f"ImageFolder, {os.cpu_count()} processes: {rates[1]:,.0f} a second")
    print(f"ratio, median of {ROUNDS}: {statistics.median(ratios):.2f}")
    print(f"largest resident memory of a process of either: {peak:.0f} MB")


def synthetic(folder: Path, images: int, side: int) -> Path:
    """A zip of noisy pictures of ten hues, and the same files unpacked."""
    chance = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number in range(images):
            coarse = chance.integers(0, 256, (8, 8, 3), np.uint8)
            image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
            file = io.BytesIO()
            image.save(file, "PNG")
            name = f"class-{number % CLASSES}/{number}.png"
            archive.writestr(name, file.getvalue())
            unpacked = folder / "unpacked" / name
            unpacked.parent.mkdir(parents=True, exist_ok=True)
            unpacked.write_bytes(file.getvalue())
    return folder / "images.zip"


def order(source: Path, folder: Path) -> Import:
    fields = ImportOptions().model_dump(mode="json")
    return Import(str(source), str(folder / "made"), "benchmark", "images.zip", "image", fields)


def import_seconds(source: Path, folder: Path) -> float:
    """Wall-clock time of one import, from the start of its process to its end."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "worker.imports"],
        input=msgspec.json.encode(order(source, folder)),
        stdout=subprocess.PIPE,
        check=True,
    )
    elapsed = time.perf_counter() - began
    assert isinstance(decode(done.stdout.splitlines()[-1]), Imported), done.stdout
    return elapsed


def image_folder_seconds(folder: Path) -> float:
    """Wall-clock time to read every picture once."""
    began = time.perf_counter()
    dataset = torchvision_datasets().ImageFolder(folder, transform=pixels)
    loader = DataLoader(dataset, batch_size=BATCH, num_workers=os.cpu_count() or 1)
    count = sum(len(labels) for _, labels in loader)
    assert count == len(dataset)
    return time.perf_counter() - began


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image).transpose(2, 0, 1))


def profile(source: Path, folder: Path) -> None:
    """Time of the import's main thread by function; its other threads are `wait`."""
    profiler = cProfile.Profile()
    profiler.runcall(imported, order(source, folder), lambda _: None)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
