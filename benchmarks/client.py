"""What the Python client costs: its import, what that pulls in, and a call, beside bare httpx.

Imports are timed in fresh interpreters that have nothing to compile, the two in turns; medians.
Megabytes are those of the distributions that `traind[client]` installs beside itself.

    python -m benchmarks.client [--rounds 15]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import distribution, requires
from pathlib import Path

import httpx
from packaging.requirements import Requirement

from app.local import running
from app.settings import Settings
from benchmarks.machine import described_when_idle
from traind import Client

IMPORTS = ("httpx", "traind", "traind, app.answers.jobs", "traind, app.answers.models")
CALLS = 300
TIMED = """
import time
began = time.perf_counter()
import {what}
print(time.perf_counter() - began)
import sys
print(len(sys.modules))
"""


def main() -> None:
    """Prints a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(described_when_idle("httpx", "pydantic"))
    found: dict[str, list[tuple[float, int]]] = {what: [] for what in IMPORTS}
    for _ in range(rounds):
        for what, times in found.items():
            times.append(imported(what))
    for what, times in found.items():
        seconds = [each for each, _ in times]
        print(
            f"import {what}: median {1000 * statistics.median(seconds):.0f} ms, least "
            f"{1000 * min(seconds):.0f}, most {1000 * max(seconds):.0f}; {times[0][1]} modules"
        )
    names = sorted(distributions("traind", "client"))
    print(f"installed: {sum(map(megabytes, names)):.1f} MB in {', '.join(names)}")
    with (
        tempfile.TemporaryDirectory() as home,
        running(Settings(home=Path(home), port=0), Path(home) / "log") as up,
        Client(up.url) as client,
        httpx.Client(base_url=up.url) as bare,
    ):
        job = client.train(preset="digits", training={"epochs": 1}).wait()
        path = f"/jobs/{job.id}"
        own, theirs = per_call(job.refresh), per_call(lambda: bare.get(path).json())
        print(f"GET of a job: {own:.2f} ms as an object, {theirs:.2f} ms by httpx as a dictionary")


def imported(what: str) -> tuple[float, int]:
    """Seconds of an import in a fresh interpreter, and how many modules there are then."""
    command = [sys.executable, "-P", "-c", TIMED.format(what=what)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(printed[0]), int(printed[1])


def distributions(name: str, *extras: str) -> set[str]:
    """What a distribution with these extras needs on this machine, without itself."""
    needed: set[str] = set()
    for line in requires(name) or []:
        required = Requirement(line)
        wanted = [{"extra": extra} for extra in extras or ("",)]
        if required.marker is None or any(map(required.marker.evaluate, wanted)):
            needed |= {required.name} | distributions(required.name, *required.extras)
    return needed - {name}


def megabytes(name: str) -> float:
    """Megabytes of an installed distribution's files, without what Python compiled."""
    files = [file for file in distribution(name).files or [] if file.suffix != ".pyc"]
    sizes = [Path(str(file.locate())).stat().st_size for file in files if file.locate().is_file()]
    return sum(sizes) / 1e6


def per_call(call: Callable[[], object]) -> float:
    """Milliseconds of a call: the median of many."""
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


if __name__ == "__main__":
    main()
