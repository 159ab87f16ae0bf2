"""Memory of runs: how much they may take, so that the kernel kills none, and what they keep."""

import contextlib
import ctypes
import os
import resource
from pathlib import Path

PART = 0.8
"""Of the memory there is, what runs may take together; the worker and the API need the rest."""
CGROUP = Path("/sys/fs/cgroup/memory.max")
MB = 10**6
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""What glibc's malloc.h calls them."""
KEPT_BYTES = 2**30


def share(slots: int) -> int:
    """Memory that each of `slots` runs may take, in MB, of this machine or of its container."""
    there_is = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if CGROUP.exists() and (limit := CGROUP.read_text().strip()).isdecimal():
        there_is = min(there_is, int(limit))
    return int(there_is * PART / slots / MB)


def limit(megabytes: int) -> None:
    """Lets this process take so much more memory than it has; what is beyond fails at once.

    Counted is what it may write to (RLIMIT_DATA): mapped datasets and the code do not count.
    """
    status = Path("/proc/self/status").read_text()
    (taken,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmData"))
    most = int(taken) * 1024 + megabytes * MB
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def keep_freed() -> None:
    """Has this process keep the memory that it frees: the next training step needs it again.

    glibc maps what is larger than 32 MiB anew each time, and the kernel clears every page of it:
    measured, convolutions of 64 images of 64x64 train 37% faster without. Other C libraries have no
    `mallopt`, and stay as they are.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for threshold in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            library.mallopt(threshold, KEPT_BYTES)
