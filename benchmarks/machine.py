"""What a figure was measured on, and what else the machine did meanwhile."""

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import psutil

IDLE = 0.03
"""The part of its processors that an idle machine uses at most."""
LOOK_SECONDS = 3.0
WAIT_SECONDS = 600.0


def described_when_idle(*packages: str) -> str:
    """A line: processor, cores, Python, versions of these packages, and whether it is idle.

    Waits until it is, ten minutes at most.
    """
    cpuinfo = Path("/proc/cpuinfo")
    model = platform.processor() or platform.machine()
    if cpuinfo.exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        model = next((value.strip() for key, _, value in lines if "model name" in key), model)
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{model}, {psutil.cpu_count()} cores, Python {python}, {versions}, {_idle()}"


class Times(NamedTuple):
    """Seconds of processor time, and when they were read."""

    others: float
    at: float


def others() -> Times:
    """What others than this process and its descendants, as far as they have ended, have used."""
    total, own = psutil.cpu_times(), os.times()
    used = sum(total) - total.idle - getattr(total, "iowait", 0.0)
    return Times(used - sum(own[:4]), time.monotonic())


def since(before: Times) -> str:
    """How busy others have kept the machine since then; the own descendants have to have ended."""
    now = others()
    fraction = (now.others - before.others) / (now.at - before.at) / (psutil.cpu_count() or 1)
    return f"others used {max(fraction, 0.0):.0%} of the processors meanwhile"


def _idle() -> str:
    deadline = time.monotonic() + WAIT_SECONDS
    while (busy := psutil.cpu_percent(LOOK_SECONDS) / 100) > IDLE:
        if time.monotonic() > deadline:
            return f"not idle: {busy:.0%} of it in use"
        print(f"{busy:.0%} of the processors are in use: waiting", file=sys.stderr, flush=True)
    return "idle"
