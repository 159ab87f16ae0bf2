"""What a training process does with memory that it has freed."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from worker import memory

if sys.argv[1] == "keep":
    memory.keep_freed()
for step in range(60):
    if step == 50:  # by then the heap has room for all that a step needs
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(40 * 2**20, dtype=torch.uint8).fill_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_that_a_step_frees_is_there_for_the_next_one() -> None:
    """40 MiB ten times: 10,240 pages each that the kernel need not clear."""

    def faults(how: str) -> int:
        command = [sys.executable, "-P", "-c", FAULTS, how]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert faults("keep") * 10 < faults("let go")
