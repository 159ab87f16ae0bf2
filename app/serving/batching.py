"""Requests that arrive while a model is busy become one batch. No timer waits for more."""

import asyncio
from collections import deque
from concurrent.futures import Executor
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from app.serving.predictor import Predictor, Probabilities
from app.serving.signature import Pixels

MAX_BATCH = 1024
"""Most images in a batch, unless a single request brings more."""
MAX_BATCH_PIXELS = 2**20
"""Most pixels in a batch of several requests; those of MAX_BATCH images of MNIST are fewer."""
MAX_WAITING = 16 * MAX_BATCH
"""Most images that wait; beyond it requests are refused, and come back later."""
MAX_WAITING_BYTES = 2**28
"""Most bytes of images that wait: 1,780 pictures of 3x224x224 as bytes, or 445 as float32."""
INLINE_SECONDS = 0.002
"""A batch that takes less runs on the event loop: a thread costs more than a small network."""


class Overloaded(Exception):
    """More images wait than can be classified soon."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} images wait already; try again in a few seconds.")


class NotFinite(Exception):
    """The model gives no number for an input that it should take."""

    def __init__(self) -> None:
        super().__init__(
            "The model gives probabilities that are not finite numbers: its weights or the input "
            "are beyond what it computes with. Ask another model, or train it anew."
        )


class Observer(Protocol):
    """Is told of each batch."""

    def __call__(self, images: int) -> None:
        """Notes that a batch of this many images was classified."""


class Batch:
    """Predictions that a model made together."""

    def __init__(self, probabilities: Probabilities) -> None:
        self.probabilities = probabilities

    @cached_property
    def best(self) -> list[int]:
        """The most probable class of each image."""
        best: list[int] = self.probabilities.argmax(axis=1).tolist()
        return best

    @cached_property
    def rows(self) -> list[list[float]]:
        """As lists, rounded to what float32 holds: made once for all requests of the batch."""
        rows: list[list[float]] = self.probabilities.astype(np.float64).round(7).tolist()
        return rows


class Predicted(NamedTuple):
    """The predictions of one request: those of a batch from `begin` to before `end`."""

    batch: Batch
    begin: int
    end: int

    @property
    def probabilities(self) -> Probabilities:
        """A row of class probabilities for each image, (n, classes)."""
        return self.batch.probabilities[self.begin : self.end]

    @property
    def best(self) -> list[int]:
        """The most probable class of each image."""
        return self.batch.best[self.begin : self.end]

    @property
    def rows(self) -> list[list[float]]:
        """The same as lists, rounded to 7 decimals."""
        return self.batch.rows[self.begin : self.end]


class _Request(NamedTuple):
    pixels: Pixels
    predicted: asyncio.Future[Predicted]


class Batcher:
    """One model's queue. It belongs to one event loop."""

    def __init__(self, predictor: Predictor, threads: Executor, observe: Observer) -> None:
        self.predictor = predictor
        self._threads = threads
        self._observe = observe
        self._queue: deque[_Request] = deque()
        self._busy = False
        self.waiting = 0
        """Images that wait."""
        self._waiting_bytes = 0

    async def predict(self, pixels: Pixels) -> Predicted:
        """The model's predictions for images (n, C, H, W).

        Raises:
            Overloaded: too many images wait already.
            NotFinite: a probability is not a number.
        """
        if self.waiting > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            raise Overloaded(self.waiting)
        loop = asyncio.get_running_loop()
        request = _Request(pixels, loop.create_future())
        self._queue.append(request)
        self.waiting += len(pixels)
        self._waiting_bytes += pixels.nbytes
        if not self._busy:
            self._busy = True
            # Behind the requests that this round of the loop has read but not yet brought here.
            loop.call_soon(self._run, loop)
        return await request.predicted

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._take()
        if not batch:
            self._busy = False
            return
        pixels = batch[0].pixels if len(batch) == 1 else np.concatenate([r.pixels for r in batch])
        if len(pixels) * self.predictor.seconds_per_image > INLINE_SECONDS:
            running = loop.run_in_executor(self._threads, self.predictor.probabilities, pixels)
            running.add_done_callback(lambda done: self._deliver_from_thread(loop, batch, done))
            return
        try:
            self._deliver(batch, self.predictor.probabilities(pixels))
        except Exception as error:  # it belongs to those who asked
            self._refuse(batch, error)
        loop.call_soon(self._run, loop)

    def _take(self) -> list[_Request]:
        """The oldest requests, as many as a batch holds, without those whose clients have gone."""
        batch: list[_Request] = []
        images = pixels = 0
        while self._queue:
            asked = self._queue[0].pixels
            is_full = images + len(asked) > MAX_BATCH or pixels + asked.size > MAX_BATCH_PIXELS
            if batch and is_full:
                break
            request = self._queue.popleft()
            self.waiting -= len(asked)
            self._waiting_bytes -= asked.nbytes
            if not request.predicted.done():
                batch.append(request)
                images, pixels = images + len(asked), pixels + asked.size
        return batch

    def _deliver_from_thread(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[_Request],
        done: asyncio.Future[Probabilities],
    ) -> None:
        if error := done.exception():
            self._refuse(batch, error)
        else:
            self._deliver(batch, done.result())
        self._run(loop)

    def _deliver(self, batch: list[_Request], probabilities: Probabilities) -> None:
        self._observe(len(probabilities))
        made = Batch(probabilities)
        is_finite = bool(np.isfinite(probabilities).all())
        begin = 0
        for request in batch:
            end = begin + len(request.pixels)
            if not is_finite and not np.isfinite(probabilities[begin:end]).all():
                self._refuse([request], NotFinite())
            elif not request.predicted.done():
                request.predicted.set_result(Predicted(made, begin, end))
            begin = end

    @staticmethod
    def _refuse(batch: list[_Request], error: BaseException) -> None:
        for request in batch:
            if not request.predicted.done():
                request.predicted.set_exception(error)
