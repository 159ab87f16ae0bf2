"""The training loop on a GPU, with its step captured once as a CUDA graph and replayed.

A step of a small network takes its time in Python and in starting some thirty kernels; the graph
starts them all at once (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs). It reads
and writes always the same memory, so that each batch is copied to where the first one lay, and the
learning rate is a tensor.

No GPU has run this module yet. A captured step is therefore checked once against the textbook's.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from worker.training import loop
from worker.training.loop import Batch, Criterion, Step

Capture = Callable[[Callable[[], Step]], Callable[[], Step]]
"""Takes a step, and gives a function that repeats what the step did on the device. Each time it
reads and writes the same memory."""

WARM_UP = 3
"""Steps before the capture, in which libraries allocate and choose; PyTorch's own number."""
TOLERANCE = 1e-3
"""Of the length of a step, by which a captured one may differ from the textbook's."""


def cuda_graph(step: Callable[[], Step]) -> Callable[[], Step]:
    """A step as a CUDA graph.

    Raises:
        RuntimeError: it does something that cannot be captured, such as waiting for the GPU.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        seen = step()

    def replay() -> Step:
        graph.replay()
        return seen

    return replay


class CapturedStep:
    """A step for batches of one shape. Making it trains nothing: all trials are taken back."""

    def __init__(
        self,
        net: nn.Module,
        criterion: Criterion,
        optimizer: Optimizer,
        batch: Batch,
        capture: Capture = cuda_graph,
    ) -> None:
        """Captures the step and checks it. The optimizer is one of torch's fused ones, whose state
        begins with zeros.

        Raises:
            RuntimeError: the step cannot be captured, or does not do what the textbook's does.
        """
        images, labels = batch
        self._images, self._labels = images.clone(), labels.clone()
        self._group = optimizer.param_groups[0]
        self._rate = torch.tensor(self._group["lr"], device=images.device)
        self._newest_rate: float = self._group["lr"]

        def step() -> Step:
            return next(loop.train(net, criterion, optimizer, [(self._images, self._labels)]))

        start = _Snapshot(net, optimizer)
        with start.trial() as change:
            step()
            textbook = change()
        with start.trial(), self._capturable():
            self._replay = capture(step)
        with start.trial() as change:
            self._replay()
            captured = change()
        if not torch.dist(captured, textbook) <= TOLERANCE * textbook.norm():
            raise RuntimeError("the captured step changes the weights in another way")

    @contextmanager
    def _capturable(self) -> Iterator[None]:
        """Lets the optimizer take its learning rate from memory, and keep to the GPU."""
        settings = {"lr": self._rate, "capturable": True}
        before = {name: self._group[name] for name in settings if name in self._group}
        self._group.update({name: settings[name] for name in before})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            try:
                yield
            finally:
                self._group.update(before)

    def takes(self, images: Tensor) -> bool:
        """Whether these images have the shape that it is for."""
        return images.shape == self._images.shape

    def __call__(self, images: Tensor, labels: Tensor) -> Step:
        """Makes the step."""
        self._images.copy_(images)
        self._labels.copy_(labels)
        if self._group["lr"] != self._newest_rate:
            self._newest_rate = self._group["lr"]
            self._rate.fill_(self._newest_rate)
        _, outputs, loss, _ = self._replay()
        return Step(labels, outputs, loss.clone())


class CapturedLoop:
    """Trains as `loop.train` does, with a step that is captured at the first batch of a run."""

    def __init__(self, capture: Capture = cuda_graph) -> None:
        self._capture = capture
        self._step: CapturedStep | None = None

    def train(
        self, net: nn.Module, criterion: Criterion, optimizer: Optimizer, batches: Iterable[Batch]
    ) -> Generator[Step, None, None]:
        """Trains on each batch in turn.

        A batch of another shape, the last of an epoch, is a plain step; so are all where the step
        cannot be captured, of which it warns.
        """
        net.train()
        rest = iter(batches)
        for images, labels in rest:
            if self._step is None:
                try:
                    batch = images, labels
                    self._step = CapturedStep(net, criterion, optimizer, batch, self._capture)
                except RuntimeError as error:
                    warnings.warn(f"training goes on without CUDA graphs: {error}", stacklevel=1)
                    yield from loop.train(net, criterion, optimizer, chain([batch], rest))
                    return
            if self._step.takes(images):
                yield self._step(images, labels)
            else:
                yield from loop.train(net, criterion, optimizer, [(images, labels)])


class _Snapshot:
    """Network, optimizer and random numbers before trials."""

    def __init__(self, net: nn.Module, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._parameters = [each.detach() for each in net.parameters() if each.requires_grad]
        self._before = self._flat()
        held = [*net.state_dict().values()]
        held += [each for state in optimizer.state.values() for each in state.values()]
        self._held = [(each, each.clone()) for each in held if isinstance(each, Tensor)]

    def _flat(self) -> Tensor:
        return torch.cat([each.flatten() for each in self._parameters])

    @contextmanager
    def trial(self) -> Iterator[Callable[[], Tensor]]:
        """Takes back what is done in it; gives what has been added to the weights, (parameters,).

        What it made in the optimizer is zero afterwards, as before an optimizer's first step.
        """
        device = self._before.device
        try:
            with torch.random.fork_rng([] if device.type == "cpu" else [device]):
                yield lambda: self._flat() - self._before
        finally:
            for state in self._optimizer.state.values():
                for each in state.values():
                    if isinstance(each, Tensor):
                        each.zero_()
            for held, before in self._held:
                held.copy_(before)
