"""Which loop trains a spec: the one with autograd, or the one with the chain rule written out, step
by step or by blocks of mini-batches."""

from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager
from typing import Literal

import torch

from app.jobspec import JobSpec
from app.jobspec import blocks as block_length
from worker.training import backpropagation, blocks, loop, networks, products
from worker.training.dense import fully_connected
from worker.training.loop import Batch, Criterion, Step
from worker.training.parallel import Workers
from worker.training.state import State

LARGEST = {"default": block_length.BATCH, "oneDNN": 8}
"""Largest mini-batch that is taken in blocks with momentum, by the library of large products. With
oneDNN single steps are faster from 9 images on (benchmarks/products.py)."""

WORTH_CAPTURE = 500
"""Steps of a run from which on it is captured; an estimate, for no GPU has measured it."""


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
    dtype = precision(spec, state.device)
    if name(spec, state.device) == "chain_rule":
        layers = fully_connected(state.net, spec.trained)
        length = block(spec, state.device)
        if length > 1:
            done = state.position.batch % length
            return blocks.train(
                layers, criterion, state.optimizer, batches, length=length, done=done
            )
        return backpropagation.train(layers, criterion, state.optimizer, batches, dtype)
    net = networks.Bfloat16(state.net) if dtype == torch.bfloat16 else state.net
    if workers is not None:
        found = workers.train(net, criterion, state, batches, spec.training.seed)
    else:
        train = state.captured.train if is_captured(spec, state.device) else loop.train
        found = train(net, criterion, state.optimizer, batches)
    share = _batch(spec) // spec.resources.workers
    return _within(products.for_network(net, share), found)


def _within(
    context: AbstractContextManager[None], steps: Generator[Step, None, None]
) -> Generator[Step, None, None]:
    """The same steps, made in a context."""
    with context:
        yield from steps


def name(spec: JobSpec, device: torch.device) -> Literal["chain_rule", "autograd"]:
    """How the gradients are computed; on a CPU the chain rule is faster where it applies."""
    wanted = spec.training.gradient
    if wanted == "auto":
        is_alone = spec.has_chain_rule and spec.resources.workers == 1
        return "chain_rule" if is_alone and device.type == "cpu" else "autograd"
    return wanted


def is_captured(spec: JobSpec, device: torch.device) -> bool:
    """Whether the step is captured as a CUDA graph.

    It is where PyTorch's optimizer can be captured, unless the spec asks for `autograd` or is so
    short that the capture would take longer than it spares.
    """
    training = spec.training
    may_be = training.gradient == "auto" and training.optimizer.name in {"sgd", "adam", "adamw"}
    is_alone, pays = spec.resources.workers == 1, spec.steps >= WORTH_CAPTURE
    return device.type == "cuda" and may_be and is_alone and pays


def precision(spec: JobSpec, device: torch.device) -> torch.dtype:
    """The precision of the products in a step.

    Where the spec asks for bfloat16, the chain rule still takes float32 if that is faster. It is in
    blocks: steps in bfloat16 convert all weights each time.
    """
    training = spec.training
    if training.precision == "float32":
        return torch.float32
    if device.type != "cpu" or name(spec, device) == "autograd":
        return torch.bfloat16
    if block(spec, device) > 1 or not products.bfloat16_is_faster(_batch(spec), spec.parameters):
        return torch.float32
    return torch.bfloat16


def _batch(spec: JobSpec) -> int:
    return min(spec.training.batch_size, spec.dataset.training_images)


def block(spec: JobSpec, device: torch.device) -> int:
    """K, the mini-batches that are taken together; 1 where each step is made by itself.

    An epoch's blocks begin at its mini-batches 0, K, 2 K and so on; the last may be shorter.
    """
    if device.type != "cpu":
        return 1
    return block_length.length(spec, LARGEST[products.library()])
