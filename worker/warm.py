"""What the server from which runs are forked has done before the first one: imported last.

The first export of a process fills the exporter's registries: measured, a fork of a server that
has exported once needs 0.7 s for its own export instead of 1.5. One thread, so that a fork is safe.
"""

import logging

import torch

from app.jobspec import JobSpec
from worker.training import export, networks
from worker.training.dataset import Description

torch.set_num_threads(1)
try:
    export.onnx(
        networks.build(JobSpec.model_validate({"dataset": {"name": "digits"}})),
        Description("digits", (1, 8, 8), [str(n) for n in range(10)], (0, 16), 0.3, 0.4, ""),
    )
except Exception:  # it only saves time: a server that died here would take every job with it
    logging.getLogger("traind.worker").exception("the first export failed")
