"""What a worker and its training process weigh while `mnist-fast` trains, sampled every 20 ms.

Resident memory splits into anonymous pages and pages of files; `own` is what no other process
shares: the rest of the anonymous pages came with the fork from the warm server.
"""

import tempfile
import time
from pathlib import Path

import psutil

from app.client import Client
from app.local import Service
from app.settings import Settings
from benchmarks import mnist
from benchmarks.machine import described_when_idle

MB = 2**20


def main() -> None:
    source = mnist.source()
    print(described_when_idle("torch"))
    with tempfile.TemporaryDirectory() as home:
        service = Service(Settings(home=Path(home), port=0, datasets=source), Path(home) / "log")
        try:
            service.start("app", "worker")
            with Client(service.url) as client:
                peak = watch(client, psutil.Process(service.processes["worker"].pid))
        finally:
            service.stop()
    for name, megabytes in peak.items():
        print(f"{name}: {megabytes:.0f} MB")


def watch(client: Client, supervisor: psutil.Process) -> dict[str, float]:
    """The greatest value of each figure during one job, in MB."""
    peak: dict[str, float] = {}
    job = client.submit({"preset": "mnist-fast"})
    while (job := client.job(job["id"]))["status"] in {"queued", "running"}:
        seen = {"supervisor": supervisor.memory_info().rss / MB}
        for server in supervisor.children():
            for run in server.children():
                try:
                    seen |= figures(run) | {"warm server": server.memory_info().rss / MB}
                except (psutil.Error, FileNotFoundError, ProcessLookupError):
                    continue  # it has just ended
        peak |= {name: max(value, peak.get(name, 0.0)) for name, value in seen.items()}
        time.sleep(0.02)
    return peak


def figures(run: psutil.Process) -> dict[str, float]:
    """Memory of a training process, in MB."""
    lines = Path(f"/proc/{run.pid}/status").read_text().splitlines()
    kilobytes = {
        key: value.split()[0]
        for key, _, value in (s.partition(":") for s in lines)
        if value.split()
    }
    names = {"VmHWM": "resident", "RssAnon": "anonymous", "RssFile": "pages of files"}
    found = {f"training process, {name}": int(kilobytes[key]) / 1024 for key, name in names.items()}
    return found | {"training process, own": run.memory_full_info().uss / MB}


if __name__ == "__main__":
    main()
