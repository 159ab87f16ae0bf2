"""Data-parallel training: each of N workers takes its share of the very same mini-batches.

The mini-batch, the learning rate and their order are those of one worker. The loss of a share
counts by its weight in the mini-batch, so that the sum of the workers' gradients is the gradient
of the whole mini-batch's mean loss, and every worker makes the same step. After each step all of
them know the outputs for the whole mini-batch: what is measured and decided from them is the same
on every worker.

Two things are not those of one worker. Dropout draws for each share by itself; batch normalization
takes mean and variance of a share, and its running statistics are averaged.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from app.codes import StopReason
from worker.training import loop, losses
from worker.training.interruptions import Diverged
from worker.training.loop import Batch, Criterion, Step
from worker.training.state import State

REASONS = [None, *StopReason]
"""A reason to stop as a number, for the other workers."""
LARGE = 2**14
"""Numbers in a gradient that is sent by itself: copying it into a common message costs more."""
LEAST = 2
"""Images of a share; a last mini-batch with fewer is taken whole by each worker."""


class WorkerLost(Exception):
    """Another worker cannot be reached any more; the message is the library's."""


class Workers:
    """The workers of a run, seen from one of them. The first one hears the supervisor."""

    def __init__(self, asked: Callable[[], StopReason | None]) -> None:
        """`asked` gives the supervisor's reason to stop; that of the first worker counts."""
        self.rank, self.number = dist.get_rank(), dist.get_world_size()
        self._asked = asked
        self._agreed: StopReason | None = None

    def stop_requested(self) -> StopReason | None:
        """Why all workers are to stop, as of the last step, or None."""
        return self._agreed

    def train(
        self,
        net: nn.Module,
        criterion: Criterion,
        state: State,
        batches: Iterable[Batch],
        seed: int,
    ) -> Generator[Step, None, None]:
        """The textbook's loop on this worker's share of each batch; the steps are those of all.

        Raises:
            Diverged: the loss is not finite.
            WorkerLost: another worker does not answer.
        """
        share = Share(self.rank, self.number, criterion)
        own = share.of_each(batches, lambda: self._reseed(seed, state.position.step))
        with _summed_gradients(net, state.optimizer, self.number, lambda: self._message(share)):
            for _ in loop.train(net, share.loss, state.optimizer, own):
                yield self._whole(share, state)

    def _reseed(self, seed: int, step: int) -> None:
        """Lets each worker draw dropout of its own, which a resumed run draws again."""
        words = np.random.SeedSequence((seed, step, self.rank)).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))

    def _message(self, share: "Share") -> Tensor:
        """This worker's part of the step's message, float32 (B * classes + 2,).

        It has the outputs of the worker's own rows, its part of the loss, and, from the first
        worker, a reason to stop. The sum over all workers has them for the whole mini-batch.
        """
        size, (_, classes) = len(share.labels), share.outputs.shape
        message = share.outputs.new_zeros(size * classes + 2, dtype=torch.float32)
        message[:-2].view(size, classes)[share.rows] = share.outputs.float() / share.copies
        message[-2] = share.part_of_loss
        if self.rank == 0:
            message[-1] = REASONS.index(self._asked())
        share.message = message
        return message

    def _whole(self, share: "Share", state: State) -> Step:
        """The step of the whole mini-batch."""
        labels, message = share.labels, share.message
        loss, reason = message[-2:].tolist()
        if not math.isfinite(loss):
            at = state.position
            raise Diverged(replace(at, batch=at.batch + 1, step=at.step + 1))
        self._agreed = REASONS[round(reason)]
        return Step(labels, message[:-2].view(len(labels), -1), message[-2])


class Share:
    """One worker's part of the newest mini-batch, and how much its loss counts."""

    labels: Tensor
    """Of the whole mini-batch, (B,)."""
    rows: slice
    """Which of its images are this worker's."""
    copies: int
    """How many workers have the same images: 1, or all of them."""
    outputs: Tensor
    """Of this worker's images, (rows, classes)."""
    part_of_loss: Tensor
    """What these images add to the mean loss of the mini-batch, a scalar."""
    message: Tensor
    """Outputs, loss and reason to stop: first this worker's part, then the sum over all workers."""

    def __init__(self, rank: int, workers: int, criterion: Criterion) -> None:
        self._rank, self._workers, self._criterion = rank, workers, criterion

    def of_each(self, batches: Iterable[Batch], drawn: Callable[[], None]) -> Iterator[Batch]:
        """This worker's part of each batch; `drawn` is called before each."""
        for images, labels in batches:
            drawn()
            self.labels, size = labels, len(labels)
            if size < LEAST * self._workers:
                self.rows, self.copies = slice(0, size), self._workers
            else:
                ends = [size * each // self._workers for each in (self._rank, self._rank + 1)]
                self.rows, self.copies = slice(*ends), 1
            yield images[self.rows], labels[self.rows]

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """What the share adds to the mean loss of the mini-batch, a scalar."""
        own = torch.as_tensor(losses.weight(self._criterion, labels), dtype=torch.float64)
        all_of_it = torch.as_tensor(
            losses.weight(self._criterion, self.labels), dtype=torch.float64
        )
        part = own * losses.inverse(all_of_it) / self.copies
        loss = self._criterion(outputs, labels) * part.to(outputs.device, outputs.dtype)
        self.outputs, self.part_of_loss = outputs.detach(), loss.detach()
        return loss


@contextmanager
def _summed_gradients(
    net: nn.Module, optimizer: Optimizer, workers: int, message: Callable[[], Tensor]
) -> Iterator[None]:
    """Adds the workers' gradients up before each step, and before they are clipped.

    A large gradient is sent as soon as it is computed, while backpropagation goes on in the layers
    before it. The small ones, the buffers and `message` are sent together.
    """
    sent: dict[Tensor, dist.Work] = {}
    trained = [each for each in net.parameters() if each.requires_grad]

    def send(parameter: Tensor) -> None:
        gradient = parameter.grad
        if gradient is not None and gradient.numel() >= LARGE and gradient.is_contiguous():
            sent[parameter] = _all_reduce(gradient)

    def add_up(*_: object) -> None:
        rest = [each for each in trained if each not in sent]
        gradients = [each.grad for each in rest if each.grad is not None]
        statistics = [each for each in net.buffers() if each.is_floating_point()]
        for each in statistics:
            each.div_(workers)
        held = [*gradients, *statistics, message()]
        flat = torch.cat([each.flatten() for each in held])
        last = _all_reduce(flat)
        with _others_expected():
            for work in (*sent.values(), last):
                work.wait()
        sent.clear()
        parts = flat.split([each.numel() for each in held])
        for tensor, part in zip(held, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    hooks = [each.register_post_accumulate_grad_hook(send) for each in trained]
    hooks.append(optimizer.register_step_pre_hook(add_up))
    before = optimizer._optimizer_step_pre_hooks
    if isinstance(before, OrderedDict):  # of which torch says that it is a dict
        before.move_to_end(hooks[-1].id, last=False)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _all_reduce(tensor: Tensor) -> dist.Work:
    """Starts to add a tensor up over all workers, in place."""
    with _others_expected():
        work: dist.Work = dist.all_reduce(tensor, async_op=True)
    return work


@contextmanager
def _others_expected() -> Iterator[None]:
    """Raises WorkerLost where the library cannot reach another worker."""
    try:
        yield
    except RuntimeError as error:
        raise WorkerLost(str(error).partition("\n")[0]) from error
