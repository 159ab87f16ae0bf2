"""What the server from which runs are forked has done before the first one: imported last.

Measured, a fork of a server that has reported once needs 10 ms for its own report instead of 25,
and one that has written a graph 3 ms for its own instead of 17. One thread, so that a fork is safe.
"""

import gc
import importlib
import logging
import signal

import numpy as np
import torch

from app.jobspec import JobSpec
from worker.training import graph, networks, products, report
from worker.training.dataset import Description

# A service manager or a terminal signals every process: the runs need their server until the worker
# has stopped them, and it ends when the worker does.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
torch.set_num_threads(1)
if torch.backends.cuda.is_built():  # deterministic algorithms on a GPU import it: a second
    importlib.import_module("torch._inductor.config")
digits = Description("digits", (1, 8, 8), [str(n) for n in range(10)], (0, 16), [0.3], [0.4], "")
try:
    products.library()  # takes 8 ms, for which no run has to wait
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}})
    graph.written(networks.build(spec), spec.layers, digits)
    labels, probabilities = np.zeros(2, np.int64), np.eye(2, 10, dtype=np.float32)
    report.report(labels, probabilities, np.zeros((2, 1, 8, 8), np.uint8), digits)
    report.predictions(labels, probabilities)
except Exception:  # it only saves time: a server that died here would take every job with it
    logging.getLogger("traind.worker").exception("the first graph or report failed")
# What is loaded stays: measured, a fork that searched it for garbage lost 0.25 s, and the memory
# that it shares with the server.
gc.freeze()
gc.enable()  # `worker.cold` has turned it off
