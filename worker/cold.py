"""Imported first by the server from which runs are forked, as `worker.warm` is last."""

import gc
import os

SPINS = "3000"
"""How often a thread of torch looks whether the others are done before it sleeps: some 0.1 ms.

Measured with two threads on two processors: as fast as libgomp's 300,000 on an idle machine, four
times as fast beside two busy processes, where a waiting thread takes the processor that the other
one needs. With 1,000 a run alone took a fifth longer. libgomp reads it when torch loads it.
"""

if "OMP_WAIT_POLICY" not in os.environ:  # the operator has chosen
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
# What is loaded in between stays: measured, a collector that looks at it again and again takes a
# tenth of the time.
gc.disable()
