"""Which loop trains a spec: the one with autograd, or the one with the chain rule written out."""

from collections.abc import Iterable, Iterator
from typing import Literal

import torch

from app.jobspec import JobSpec
from worker.training import backpropagation, loop, networks
from worker.training.dense import fully_connected
from worker.training.loop import Batch, Criterion, Step
from worker.training.state import State


def steps(
    spec: JobSpec, state: State, criterion: Criterion, batches: Iterable[Batch]
) -> Iterator[Step]:
    """Trains the state's network on each batch in turn."""
    low = spec.training.precision == "bfloat16"
    if name(spec, state.device) == "chain_rule":
        precision = torch.bfloat16 if low else torch.float32
        layers = fully_connected(state.net, spec.trained)
        return backpropagation.train(layers, criterion, state.optimizer, batches, precision)
    net = networks.Bfloat16(state.net) if low else state.net
    return loop.train(net, criterion, state.optimizer, batches)


def name(spec: JobSpec, device: torch.device) -> Literal["chain_rule", "autograd"]:
    """How the gradients are computed; on a CPU the chain rule is faster where it applies."""
    wanted = spec.training.gradient
    if wanted == "auto":
        return "chain_rule" if spec.has_chain_rule and device.type == "cpu" else "autograd"
    return wanted
