"""Runs `python -m MODULE` by a clock that is off: `python shifted_clock.py SECONDS MODULE`.

Every look at the time of day by `time` is off; the machine's own clock stays right.
"""

import runpy
import sys
import time

if __name__ == "__main__":
    seconds, module = int(sys.argv[1]), sys.argv[2]
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + seconds * 10**9
    sys.path.pop(0)  # the folder of this file
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
