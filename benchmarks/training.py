"""Training throughput beside its peers: samples a second, one thread on one core each.

Every contender is a process of its own (benchmarks/contenders/); ours is a real job on a real
service, progress and checkpoints included. Rounds are interleaved, and medians are given. The
peers come with `pip install '.[peers]'`; what is not installed is left out and named.

    python -m benchmarks.training [--rounds 5] [--networks mlp cnn] [--write]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch

from app.client import Client
from app.jobspec.presets import PRESETS
from app.local import Service
from app.settings import Settings
from benchmarks import machine, mnist, readme
from benchmarks.contenders import MOMENTUM, RATES
from benchmarks.estimate import await_calibration
from worker import datasets

PEERS = {
    "textbook": "textbook loop (torchvision, DataLoader, `.item()`)",
    "examples": "pytorch/examples' style",
    "tensors": "PyTorch eager on tensors in memory",
    "keras_fit": "Keras 3 on JAX, `fit`",
    "jax_steps": "JAX, each step compiled",
    "jax_scan": "JAX, the epoch scanned",
    "numpy_loop": "NumPy",
}
NEEDS = {"keras_fit": "keras", "jax_steps": "jax", "jax_scan": "jax"}
BATCHES = {"mlp": (4, 8, 16, 64, 512), "cnn": (32, 128)}
OURS = {
    "mlp": {4: (20_000, 4), 8: (40_000, 3), 16: (60_000, 3), 64: (60_000, 4), 512: (60_000, 6)},
    "cnn": {32: (6_000, 1), 128: (6_000, 1)},
}
"""Images and epochs of our job, which trains for some seconds. Its start counts."""
MODELS: dict[str, dict[str, Any]] = {"mlp": {}, "cnn": PRESETS["mnist-best"].spec["model"]}
NAMES = {"mlp": "", "cnn": ", the convolutions of `mnist-best`"}


class Discipline(NamedTuple):
    """What all contenders train: a table of its own."""

    optimizer: str
    precision: str
    network: str = "mlp"

    def peers(self) -> list[str]:
        """Those that are installed, the one that all are compared with first."""
        found = [name for name in PEERS if name not in NEEDS or find_spec(NEEDS[name])]
        left_out = {"numpy_loop"} if self.precision == "bfloat16" else set()
        if self.network == "cnn":
            left_out |= {"textbook", "examples", "numpy_loop", "jax_scan"}
        return [name for name in found if name not in left_out]


DISCIPLINES = [
    Discipline("sgd", "float32"),
    Discipline("sgd", "bfloat16"),
    Discipline("adam", "float32"),
    Discipline("adam", "bfloat16"),
    Discipline("adam", "float32", "cnn"),
    Discipline("adam", "bfloat16", "cnn"),
]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


class Peer:
    """A contender's process, asked for one round at a time."""

    def __init__(self, name: str, folder: Path, batch: int, discipline: Discipline) -> None:
        module = f"benchmarks.contenders.{name}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder), str(batch), *discipline],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.compiled_in = float(self._read())

    def round(self) -> float:
        """Samples a second."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} has ended")
        return line


class Ours:
    """A job for each round; its rate is that of its epochs, by its own events."""

    compiled_in = 0.0

    def __init__(self, client: Client, batch: int, discipline: Discipline) -> None:
        optimizer, precision, network = discipline
        self._client = client
        images, epochs = OURS[network][batch]
        rule: dict[str, Any] = {"name": optimizer, "lr": RATES[optimizer]}
        if optimizer == "sgd":
            rule["momentum"] = MOMENTUM
        training = {
            "epochs": epochs,
            "batch_size": batch,
            "optimizer": rule,
            "precision": precision,
        }
        self._samples = images * epochs
        self._spec = {
            "dataset": {"validation_fraction": 0.0, "limit": images},
            "model": MODELS[network],
            "training": training,
            "resources": {"threads": 1},
        }

    def round(self) -> float:
        """Samples a second."""
        job = self._client.submit(self._spec)
        seconds = [
            message.data["data"]["seconds"]
            for message in self._client.watch(job["id"])
            if message.kind == "epoch"
        ]
        return self._samples / sum(seconds)

    def close(self) -> None:
        pass


def contest(
    client: Client, folder: Path, batch: int, discipline: Discipline, rounds: int
) -> dict[str, tuple[float, float]]:
    """Median rate, and seconds before the first round, of each contender."""
    contenders: dict[str, Peer | Ours] = {"ours": Ours(client, batch, discipline)}
    for name in discipline.peers():
        contenders[name] = Peer(name, folder, batch, discipline)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, each in contenders.items():
            rates[name].append(each.round())
    found = {
        name: (statistics.median(rates[name]), each.compiled_in)
        for name, each in contenders.items()
    }
    for each in contenders.values():
        each.close()
    return found


def multiplication_rate(batch: int) -> float:
    """Samples a second if a step were its matrix products alone, through torch.mm."""
    torch.set_num_threads(1)
    x, w1, w2 = torch.randn(batch, 784), torch.randn(500, 784), torch.randn(10, 500)
    hidden, outputs = torch.empty(batch, 500), torch.empty(batch, 10)
    g1, g2 = torch.empty(500, 784), torch.empty(10, 500)
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < 1.0:
        torch.mm(x, w1.t(), out=hidden)
        torch.mm(hidden, w2.t(), out=outputs)
        torch.mm(outputs, w2, out=hidden)
        torch.mm(outputs.t(), hidden, out=g2)
        torch.mm(hidden.t(), x, out=g1)
        steps += 1
    return steps * batch / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    networks = ("mlp", "cnn")
    parser.add_argument("--networks", nargs="+", choices=networks, default=networks)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    os.sched_setaffinity(0, {0})  # inherited by every contender
    source = mnist.source()
    heading, before = machine.described_when_idle("torch", *installed()), machine.others()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0, datasets=source)
        datasets.decode("mnist", Path(home) / "datasets", source)
        folder = Path(home) / "datasets" / "mnist"
        (folder / "MNIST").symlink_to((source / "MNIST").absolute())  # for torchvision
        service = Service(settings, Path(home) / "log")
        try:
            service.start("app", "worker")
            with Client(service.url) as client:
                await_calibration(client)  # or the worker would measure itself meanwhile
                Ours(client, 512, DISCIPLINES[0]).round()
                for discipline in DISCIPLINES:
                    if discipline.network not in arguments.networks:
                        continue
                    lines += table(client, folder, discipline, arguments.rounds)
        finally:
            service.stop()
    heading += f", medians of {arguments.rounds} rounds; {machine.since(before)}:"
    text = "\n".join([heading, *lines])
    print(text)
    if arguments.write:
        readme.write("training", text)


def table(client: Client, folder: Path, discipline: Discipline, rounds: int) -> list[str]:
    """A Markdown table: samples a second at each batch size, and the ratio to the first peer."""
    optimizer, precision, network = discipline
    peers = discipline.peers()
    columns = {
        batch: contest(client, folder, batch, discipline, rounds) for batch in BATCHES[network]
    }
    named = "SGD with momentum" if optimizer == "sgd" else "Adam"
    lines = ["", f"{named}, {precision}{NAMES[network]}:", ""]
    compared = "the textbook loop" if peers[0] == "textbook" else "PyTorch eager"
    lines.append(
        f"| samples a second (ratio to {compared}) | "
        + " | ".join(f"batch {batch}" for batch in columns)
        + " | first round after |"
    )
    lines.append("|---" * (len(columns) + 2) + "|")
    for name in [*peers, "ours"]:
        cells = [
            f"{found[name][0]:,.0f} ({found[name][0] / found[peers[0]][0]:.2f})"
            for found in columns.values()
        ]
        waited = max(found[name][1] for found in columns.values())
        label = "**ours, as the job runs it**" if name == "ours" else PEERS[name]
        lines.append(f"| {label} | {' | '.join(cells)} | {waited:.1f} s |")
    if discipline == DISCIPLINES[0]:
        reached = [
            f"{found['ours'][0] / multiplication_rate(batch):.0%}"
            for batch, found in columns.items()
        ]
        share = " | ".join(reached)
        lines.append(f"| ours, share of the matrix products alone | {share} | |")
    sys.stderr.write("\n".join(lines) + "\n")
    return lines


def installed() -> list[str]:
    return [name for name in ("jax", "keras", "numpy") if find_spec(name)]


if __name__ == "__main__":
    main()
