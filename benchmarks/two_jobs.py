"""Two jobs side by side on two cores, against one after the other: the gain in throughput.

python -m benchmarks.two_jobs [--rounds 3]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app.client import Client
from app.local import Service
from app.settings import Settings
from benchmarks.machine import described_when_idle

JOB: dict[str, Any] = {
    "dataset": {"validation_fraction": 0.0},
    "training": {"epochs": 8, "batch_size": 64},
}
THREADS = (1, 2)
"""Of each job: with two, they share two cores."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    source = Path(os.environ.get("TRAIND_DATASETS", Path(__file__).parents[2] / "shared" / "data"))
    if not (source / "MNIST" / "raw").exists():
        sys.exit("MNIST is not here: set TRAIND_DATASETS to a folder that holds MNIST/raw")
    print(described_when_idle("torch"))
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0, datasets=source, slots=2)
        service = Service(settings, Path(home) / "log")
        try:
            service.start("app", "worker")
            with Client(service.url) as client:
                together(client, 1, 1)
                for threads in THREADS:
                    measure(client, threads, rounds)
        finally:
            service.stop()


def measure(client: Client, threads: int, rounds: int) -> None:
    """Two jobs of so many threads each, one after the other and side by side."""
    gains = []
    for _ in range(rounds):
        alone = together(client, 1, threads) + together(client, 1, threads)
        both = together(client, 2, threads)
        gains.append(alone / both)
        print(f"{threads} thread(s): one after the other {alone:.1f} s, side by side {both:.1f} s")
    print(f"side by side: {statistics.median(gains):.2f} times the throughput")


def together(client: Client, count: int, threads: int) -> float:
    """Seconds from the first POST to the end of the last of so many jobs of so many threads."""
    began = time.perf_counter()
    jobs = [client.submit(JOB | {"resources": {"threads": threads}}) for _ in range(count)]
    for job in jobs:
        while job["status"] in {"queued", "running"}:
            job = client.job(job["id"], wait=30)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
