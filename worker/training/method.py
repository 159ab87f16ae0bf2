"""By which of the loops a spec is trained: autograd's, or that with the chain rule written out."""

from collections.abc import Iterable, Iterator
from typing import Literal

import torch

from app.jobspec import JobSpec
from worker.training import backpropagation, loop, networks
from worker.training.loop import Batch, Criterion, Step
from worker.training.state import State


def steps(
    spec: JobSpec, state: State, criterion: Criterion, batches: Iterable[Batch]
) -> Iterator[Step]:
    """Trains the state's network on each batch in turn."""
    low = spec.training.precision == "bfloat16"
    if name(spec, state.device) == "chain_rule":
        precision = torch.bfloat16 if low else torch.float32
        return backpropagation.train(state.net, criterion, state.optimizer, batches, precision)
    net = networks.Bfloat16(state.net) if low else state.net
    return loop.train(net, criterion, state.optimizer, batches)


def name(spec: JobSpec, device: torch.device) -> Literal["chain_rule", "autograd"]:
    """How the gradients come about."""
    wanted = spec.training.gradient
    written_out = spec.model.kind == "mlp" and not spec.model.batch_norm
    faster = written_out and device.type == "cpu"
    return "chain_rule" if wanted == "chain_rule" or (wanted == "auto" and faster) else "autograd"
