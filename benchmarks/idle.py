"""CPU time of a service that has nothing to do: the API, and the worker with its processes.

    python -m benchmarks.idle [--seconds 30]

Before the measurement the worker calibrates itself and trains one job: it is warm then.
"""

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from app.client import Client
from app.local import running
from app.settings import Settings
from benchmarks.estimate import await_calibration, ended, tiny
from benchmarks.machine import described_when_idle

SETTLE_SECONDS = 5.0
"""Time between the end of the job and the measurement: the worker tidies up after a job."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    seconds = parser.parse_args().seconds
    print(described_when_idle("fastapi", "uvicorn"))
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=0)
        with running(settings, settings.home / "log") as service, Client(service.url) as client:
            await_calibration(client)
            ended(client, client.submit(tiny("digits")))
            time.sleep(SETTLE_SECONDS)
            pids = {name: process.pid for name, process in service.processes.items()}
            used = measure(pids, seconds)
    for name, fraction in used.items():
        print(f"{name}: {fraction:.2%} of a core while idle, over {seconds:.0f} s")


def measure(pids: dict[str, int], seconds: float) -> dict[str, float]:
    """The fraction of one core that each process used, its descendants included."""
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    began = time.perf_counter()
    time.sleep(seconds)
    elapsed = time.perf_counter() - began
    return {name: (cpu_seconds(pid) - before[name]) / elapsed for name, pid in pids.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, in seconds."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in family)


if __name__ == "__main__":
    main()
