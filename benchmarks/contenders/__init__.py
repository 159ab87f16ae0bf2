"""The training loops that ours is measured against, each run as a process of its own.

`python -m benchmarks.contenders.NAME FOLDER BATCH OPTIMIZER PRECISION NETWORK` prepares one loop on
the decoded MNIST in FOLDER (cross-entropy; `sgd` with momentum 0.9 or `adam`), does a first round
to compile what it compiles, and then one timed round for each line that it reads, answering with
samples a second. NETWORK is `mlp`, 784-500-10 with ReLU, or `cnn`, that of the preset `mnist-best`:
convolutions 5x5 of 16 and 32 channels, each halved by a maximum, then 128 units, batch
normalization before each ReLU.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

ROUND_SECONDS = 1.0
RATES = {"sgd": 0.001, "adam": 0.001}
MOMENTUM = 0.9
MEAN, STD = 0.1307, 0.3081


class Contest(NamedTuple):
    """What is to be trained on, and how."""

    folder: Path
    batch: int
    optimizer: str
    precision: str
    network: str

    def arrays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Normalized images (N, 784) and labels (N,) of the first 54,000."""
        pixels = np.load(self.folder / "train_images.npy")[:54_000].reshape(-1, 784)
        labels = np.load(self.folder / "train_labels.npy")[:54_000].astype(np.int64)
        return ((pixels / np.float32(255) - MEAN) / STD).astype(np.float32), labels


Round = Callable[[Contest], Iterator[int]]
"""Yields, for ever, how many samples have just been trained on."""


def serve(contender: Round) -> None:
    """Runs one contender as the command line says."""
    folder, batch, optimizer, precision, network = sys.argv[1:]
    contest = Contest(Path(folder), int(batch), optimizer, precision, network)
    began = time.perf_counter()
    trained = contender(contest)
    next(trained)
    next(trained)
    print(f"{time.perf_counter() - began:.3f}", flush=True)
    for _ in sys.stdin:
        samples, began = 0, time.perf_counter()
        while time.perf_counter() - began < ROUND_SECONDS:
            samples += next(trained)
        print(f"{samples / (time.perf_counter() - began):.1f}", flush=True)
