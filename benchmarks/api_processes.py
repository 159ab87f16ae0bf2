"""Predictions a second through one API process and through two, and what each costs.

    python -m benchmarks.api_processes [--rounds 3] [--seconds 3]

The client shares the machine's processors with the API, so the gain on two of them is smaller than
it is with the client elsewhere. The time that each used is counted: predictions for each second
that the API computed say what a processor answers that has nothing else to do.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from app.jobspec import JobSpec
from app.local import Service
from app.settings import Settings
from benchmarks.machine import described_when_idle
from benchmarks.serving import network
from benchmarks.serving.forms import PIXELS, RAW

CONNECTIONS = 64
PROCESSES = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    heading = described_when_idle("onnxruntime", "uvicorn")
    print(f"{heading}, {CONNECTIONS} connections, raw bytes:\n")
    found: dict[int, list[dict[str, float]]] = {count: [] for count in PROCESSES}
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        network.save(graph, JobSpec())
        home = Path(folder) / "home"
        network.publish(home, [graph.read_bytes()])
        for _ in range(arguments.rounds):
            for count in PROCESSES:
                found[count].append(measured(home, count, arguments.seconds))
    print("| processes | predictions/s | for each second of the API's time | the client's time |")
    print("|---|---|---|---|")
    for count, rounds in found.items():
        rate, each, client = (
            statistics.median(one[name] for one in rounds) for name in ("rate", "each", "client")
        )
        print(f"| {count} | {rate:,.0f} | {each:,.0f} | {client:.0%} of a processor |")


def measured(home: Path, count: int, seconds: float) -> dict[str, float]:
    """Rate, predictions for a second of processor time, and the client's processors."""
    service = Service(Settings(home=home, port=0, api_processes=count), home / "log")
    try:
        service.start("app")
        ask(service.url, 1.0)  # loads the model in each
        first = psutil.Process(service.processes["app"].pid)
        before = used(first)
        answer = ask(service.url, seconds)
        taken = used(first) - before
    finally:
        service.stop()
    if answer["errors"]:
        sys.exit(f"{answer['errors']} requests failed")
    total = answer["rate"] * (seconds + 0.5)  # the client counts after half a second
    client = answer["cpu"] / (seconds + 0.5)
    return {"rate": answer["rate"], "each": total / taken, "client": client}


def used(first: psutil.Process) -> float:
    """Seconds of processor time that the API's processes have used."""
    times = [each.cpu_times() for each in (first, *first.children())]
    return sum(each.user + each.system for each in times)


def ask(url: str, seconds: float) -> dict[str, Any]:
    """What the client says, and the processor time that it used."""
    body = RAW.body(PIXELS[:1])
    command = [sys.executable, "-m", "benchmarks.load_client", f"{url}{RAW.path}"]
    command += [str(CONNECTIONS), str(seconds), RAW.kind, *RAW.headers(body)]
    own = psutil.Process()
    before = own.cpu_times()
    done = subprocess.run(command, input=body, capture_output=True, check=True)
    after = own.cpu_times()
    answer: dict[str, Any] = json.loads(done.stdout)
    answer["cpu"] = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return answer


if __name__ == "__main__":
    main()
