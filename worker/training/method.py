"""Which loop trains a spec: the one with autograd, or the one with the chain rule written out, step
by step or by blocks of mini-batches."""

from collections.abc import Generator, Iterable
from typing import Literal

import torch

from app.jobspec import JobSpec
from app.jobspec import blocks as block_length
from worker.training import backpropagation, blocks, loop, networks
from worker.training.dense import fully_connected
from worker.training.loop import Batch, Criterion, Step
from worker.training.parallel import Workers
from worker.training.state import State


def steps(
    spec: JobSpec,
    state: State,
    criterion: Criterion,
    batches: Iterable[Batch],
    workers: Workers | None = None,
) -> Generator[Step, None, None]:
    """Trains the state's network on each batch in turn, from its position on; together with other
    workers where there are any.

    Closed within a block, it leaves the network as it is after the newest step.
    """
    precision = products(spec, state.device)
    if name(spec, state.device) == "chain_rule":
        layers = fully_connected(state.net, spec.trained)
        length = block(spec, state.device)
        if length > 1:
            done = state.position.batch % length
            return blocks.train(
                layers, criterion, state.optimizer, batches, length=length, done=done
            )
        return backpropagation.train(layers, criterion, state.optimizer, batches, precision)
    net = networks.Bfloat16(state.net) if precision == torch.bfloat16 else state.net
    if workers is not None:
        return workers.train(net, criterion, state, batches, spec.training.seed)
    return loop.train(net, criterion, state.optimizer, batches)


def name(spec: JobSpec, device: torch.device) -> Literal["chain_rule", "autograd"]:
    """How the gradients are computed; on a CPU the chain rule is faster where it applies."""
    wanted = spec.training.gradient
    if wanted == "auto":
        is_alone = spec.has_chain_rule and spec.resources.workers == 1
        return "chain_rule" if is_alone and device.type == "cpu" else "autograd"
    return wanted


def products(spec: JobSpec, device: torch.device) -> torch.dtype:
    """The precision of the products in a step.

    A CPU without tiles for bfloat16 (AMX) multiplies such matrices at half the rate of float32,
    measured on a Sapphire Rapids whose host hides them: there the chain rule takes float32.
    """
    if spec.training.precision == "float32":
        return torch.float32
    is_slow = device.type == "cpu" and not torch.cpu._is_amx_tile_supported()
    is_by_hand = name(spec, device) == "chain_rule"
    return torch.float32 if is_slow and is_by_hand else torch.bfloat16


def block(spec: JobSpec, device: torch.device) -> int:
    """K, the mini-batches that are taken together; 1 where each step is made by itself.

    An epoch's blocks begin at its mini-batches 0, K, 2 K and so on; the last may be shorter.
    """
    return block_length.length(spec) if device.type == "cpu" else 1
