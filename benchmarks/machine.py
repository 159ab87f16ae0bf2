"""What a figure was measured on."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path

import psutil


def describe(*packages: str) -> str:
    """A line: processor, cores, Python and the versions of these packages."""
    cpuinfo = Path("/proc/cpuinfo")
    model = platform.processor() or platform.machine()
    if cpuinfo.exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        model = next((value.strip() for key, _, value in lines if "model name" in key), model)
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{model}, {psutil.cpu_count()} cores, Python {python}, {versions}"
