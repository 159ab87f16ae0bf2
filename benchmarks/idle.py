"""CPU time of a service that has nothing to do, and beside a job that trains.

    python -m benchmarks.idle [--seconds 30]

First the API, and the worker with its processes; before that the worker calibrates itself and
trains one job: it is warm then. Then both without the training process, while a job of MNIST runs
and a client reads its events: in its first seconds, and when it has run for a while.
"""

import argparse
import tempfile
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil

from app.client import Client
from app.local import running
from app.settings import Settings
from benchmarks import mnist
from benchmarks.estimate import await_calibration, ended, tiny
from benchmarks.machine import described_when_idle

SETTLE_SECONDS = 5.0
"""Time between the end of the job and the measurement: the worker tidies up after a job."""
YOUNG_SECONDS, OLD_SECONDS = 8.0, 30.0
"""How long a job is young, and when it is old: it reports less often then."""
LONG: dict[str, Any] = {
    "training": {"batch_size": 64, "epochs": 10_000, "optimizer": {"lr": 0.01}},
    "resources": {"threads": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    seconds = parser.parse_args().seconds
    print(described_when_idle("fastapi", "uvicorn"))
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0, datasets=mnist.source())
        with running(settings, settings.home / "log") as service, Client(service.url) as client:
            await_calibration(client)
            ended(client, client.submit(tiny("digits")))
            time.sleep(SETTLE_SECONDS)
            pids = {name: process.pid for name, process in service.processes.items()}
            say(measure(pids, seconds), f"while idle, over {seconds:.0f} s")
            beside_a_job(client, pids, seconds)


def beside_a_job(client: Client, pids: dict[str, int], seconds: float) -> None:
    """Measures API and worker in a job's first seconds, and later."""
    job, has_begun = client.submit(LONG)["id"], Event()
    reader = Thread(target=read, args=(client, job, has_begun))
    reader.start()
    has_begun.wait()
    began = time.monotonic()
    say(measure(pids, YOUNG_SECONDS, with_children=False), "beside a young job")
    time.sleep(max(0.0, began + OLD_SECONDS - time.monotonic()))
    say(measure(pids, seconds, with_children=False), f"beside one of {OLD_SECONDS:.0f} s")
    client.cancel(job)
    reader.join()


def read(client: Client, job: str, has_begun: Event) -> None:
    """Reads a job's events to its end; notes that it has begun to train."""
    for message in client.watch(job):
        if message.kind == "progress":
            has_begun.set()


def say(used: dict[str, float], when: str) -> None:
    for name, fraction in used.items():
        print(f"{name}: {fraction:.2%} of a core {when}")


def measure(
    pids: dict[str, int], seconds: float, *, with_children: bool = True
) -> dict[str, float]:
    """The fraction of one core that each process used, its descendants included or not."""
    before = {name: cpu_seconds(pid, with_children) for name, pid in pids.items()}
    began = time.perf_counter()
    time.sleep(seconds)
    elapsed = time.perf_counter() - began
    return {
        name: (cpu_seconds(pid, with_children) - before[name]) / elapsed
        for name, pid in pids.items()
    }


def cpu_seconds(pid: int, with_children: bool) -> float:
    """User and system time of a process, maybe with its descendants, in seconds."""
    process = psutil.Process(pid)
    family = [process, *(process.children(recursive=True) if with_children else [])]
    return sum(sum(each.cpu_times()[:2]) for each in family)


if __name__ == "__main__":
    main()
