"""How much memory a run may take: at its end a run can say so, and the kernel kills nothing."""

import os
import resource
from pathlib import Path

PART = 0.8
"""Of the memory there is, what runs may take together; the worker and the API need the rest."""
CGROUP = Path("/sys/fs/cgroup/memory.max")
MB = 10**6


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
