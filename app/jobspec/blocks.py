"""How many mini-batches the chain rule takes together (worker/training/blocks.py)."""

import os

from app.jobspec import JobSpec


def length(spec: JobSpec) -> int:
    training = spec.training
    if (
        training.optimizer.name != "sgd"
        or training.precision != "float32"
        or training.gradient_clipping is not None
    ):
        return 1
    return int(os.environ.get("KK", "1"))
