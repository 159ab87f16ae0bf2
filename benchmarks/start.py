"""How soon a job trains, and what the API weighs.

Measures, on a service of its own in a temporary folder: from starting the API process to its first
answer; from POST to the first training step and to the model (by the job's own timestamps), on a
cold worker and over 20 jobs of one epoch on a warm one; the API's resident memory before and after
1,000 predictions.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from app.client import Client
from app.local import Service
from app.settings import Settings
from benchmarks.machine import described_when_idle

JOBS = 20
PREDICTIONS = 1000
TINY = {"dataset": {"name": "digits"}, "training": {"epochs": 1, "batch_size": 64}}
STARTS = 5


def main() -> None:
    print(described_when_idle("torch", "fastapi", "uvicorn", "onnxruntime"))
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0)
        print(f"API, start to ready: {median([start(settings) for _ in range(STARTS)]):.0f} ms")
        service = Service(settings, settings.home / "log")
        try:
            service.start("app", "worker")
            with Client(service.url) as client:
                cold, _ = trained(client)
                print(f"POST to first step, cold worker and undecoded dataset: {cold:.0f} ms")
                warm = zip(*(trained(client) for _ in range(JOBS)), strict=True)
                for what, times in zip(("first step", "model"), map(list, warm), strict=True):
                    print(
                        f"POST to {what}, warm worker, {JOBS} jobs: median {median(times):.0f} ms, "
                        f"least {min(times):.0f}, most {max(times):.0f}"
                    )
                api = psutil.Process(service.processes["app"].pid)
                before = resident(api)
                rate = predict(client, settings.home / "datasets" / "digits")
                print(
                    f"API resident memory: {before:.0f} MB before, {resident(api):.0f} MB after "
                    f"{PREDICTIONS} predictions ({rate:.0f} a second, one at a time)"
                )
        finally:
            service.stop()


def start(settings: Settings) -> float:
    """Milliseconds from starting the API process to its first answer from /readyz."""
    service = Service(settings, settings.home / "log")
    began = time.perf_counter()
    try:
        service.start("app")
        return (time.perf_counter() - began) * 1000
    finally:
        service.stop()


def trained(client: Client) -> tuple[float, float]:
    """Milliseconds from a job's creation to its first step and to its end, by its timestamps."""
    job: dict[str, Any] = client.submit(TINY)
    while job["status"] in {"queued", "running"}:
        job = client.job(job["id"], wait=30)
    created, stepped, ended = (
        np.datetime64(job[at][:-1]) for at in ("created_at", "first_step_at", "ended_at")
    )
    millisecond = np.timedelta64(1, "ms")
    return float((stepped - created) / millisecond), float((ended - created) / millisecond)


def predict(client: Client, folder: Path) -> float:
    """Predictions a second, one image a request, one request at a time."""
    images = np.load(folder / "test_images.npy").reshape(-1, 64).tolist()
    began = time.perf_counter()
    for number in range(PREDICTIONS):
        client.predict([images[number % len(images)]])
    return PREDICTIONS / (time.perf_counter() - began)


def resident(process: psutil.Process) -> float:
    """Resident memory in MB."""
    return float(process.memory_info().rss / 1e6)


def median(values: list[float]) -> float:
    """The middle value."""
    return statistics.median(values)


if __name__ == "__main__":
    main()
