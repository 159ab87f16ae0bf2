"""How many processors a worker may use: of its machine, or of its container."""

import os
from math import ceil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/cpu.max")
"""Quota and period of the container, such as `150000 100000`, or `max 100000` (cgroups v2)."""

LEAST_THREADS = 2
"""Threads of a job that every worker takes: as many as presets ask for. With one processor they
take turns."""


def threads() -> int:
    """Most threads of a job, where nobody has said it."""
    return max(LEAST_THREADS, usable())


def usable() -> int:
    """Processors that this process may use, at least 1; a part of one counts as one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(count or 1, _quota()))


def _quota() -> int:
    try:
        quota, period = CGROUP.read_text().split()
        return ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroups of version 2, or no limit
        return os.cpu_count() or 1
