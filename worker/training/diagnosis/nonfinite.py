"""Finds the layer and step where the first number became infinite or not a number.

The run is trained again, bit for bit, from its last snapshot or from its seed, and every step is
checked. If that finds nothing, because the number did not come from training, the network is
checked as it is.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

import torch
from torch import Tensor, nn

from app.jobspec import JobSpec
from worker.training import method
from worker.training.loop import Batch, Criterion
from worker.training.measurements import NonFinite
from worker.training.networks import weighted
from worker.training.state import State

MOST_STEPS = 5000
"""Most steps that are trained again."""
Batches = Callable[[int, int], Iterator[Batch]]
"""The batches of an epoch from one on."""


def locate(
    spec: JobSpec, broken: State, criterion: Criterion, batches: Batches, snapshot: bytes | None
) -> NonFinite:
    """The first such number of the run whose state is `broken`."""
    with torch.random.fork_rng(devices=[]):
        found = _again(spec, broken, criterion, batches, snapshot)
    if found is not None:
        return found
    batch = next(batches(1, 0))
    where = _weights(broken.net) or _outputs(broken.net, batch) or "the loss"
    return NonFinite(broken.position.step, broken.position.epoch, where)


def _again(
    spec: JobSpec, broken: State, criterion: Criterion, batches: Batches, snapshot: bytes | None
) -> NonFinite | None:
    """Trains again up to the step that broke the network, and once more up to the one before."""

    def start() -> State:
        state = State(spec, broken.device, broken.pretrained)
        if snapshot is not None:
            state.restore(snapshot)
            if state.position.step >= broken.position.step or _weights(state.net):
                # The snapshot is broken itself.
                state = State(spec, broken.device, broken.pretrained)
        return state

    state = start()
    epochs = broken.position.epoch - state.position.epoch
    schedule = spec.training.schedule
    if epochs and schedule is not None and schedule.name == "reduce_on_plateau":
        return None  # its rates followed from what each epoch came to
    if broken.position.step - state.position.step > MOST_STEPS:
        return None
    for loss in _train(spec, state, criterion, batches, broken.position.step):
        at = state.position
        if not loss.isfinite():
            before = start()
            for _ in _train(spec, before, criterion, batches, at.step - 1):
                pass
            if weights := _weights(before.net):  # of the first layer, within a block
                return NonFinite(before.position.step, at.epoch, f"{weights}, by its update")
            batch = next(batches(at.epoch, at.batch - 1))
            return NonFinite(at.step, at.epoch, _outputs(before.net, batch) or "the loss")
        if weights := _weights(state.net):
            return NonFinite(at.step, at.epoch, f"{weights}, by its update")
    return None


def _train(
    spec: JobSpec, state: State, criterion: Criterion, batches: Batches, until: int
) -> Iterator[Tensor]:
    """The losses of the steps up to `until`; at the end of an epoch the position moves on."""
    at = state.position
    while at.step < until:
        state.set_rate()
        steps = method.steps(spec, state, criterion, batches(at.epoch, at.batch))
        with closing(steps):  # which leaves the weights up to date
            for step in steps:
                at.step, at.batch = at.step + 1, at.batch + 1
                yield step.loss
                if at.step >= until:
                    break
                state.set_rate()
        if at.batch == spec.steps_per_epoch:
            at.epoch, at.batch = at.epoch + 1, 0


def _weights(net: nn.Sequential) -> str | None:
    """The first layer whose weights are not finite, in words."""
    for number, module in enumerate(weighted(net), 1):
        if not all(parameter.isfinite().all() for parameter in module.parameters()):
            return f"weights of layer {number}"
    return None


@torch.inference_mode()
def _outputs(net: nn.Sequential, batch: Batch) -> str | None:
    """The first layer whose outputs for a batch are not finite, in words."""
    signal, number = batch[0], 0
    for module in net.eval():
        number += len(weighted(module))
        signal = module(signal)
        if not signal.isfinite().all():
            return f"outputs of layer {number}"
    return None
