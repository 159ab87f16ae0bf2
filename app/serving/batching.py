"""Requests that arrive while a model is busy are answered as one batch. No timer waits for more."""

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
MAX_WAITING = 16 * MAX_BATCH
"""Most images that wait; beyond it requests are refused, and come back later."""
INLINE_SECONDS = 0.002
"""A batch that takes less runs on the event loop: a thread costs more than a small network."""


class Overloaded(Exception):
    """More images wait than can be answered soon."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} images wait for this model; try again in a few seconds.")


class Observer(Protocol):
    """Hears of each batch."""

    def __call__(self, images: int) -> None:
        """A batch of so many images was answered."""


class Batch:
    """What a model has answered at once."""

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


class Part(NamedTuple):
    """A request's images in a batch: from `begin` to before `end`."""

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
    answer: asyncio.Future[Part]


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

    async def answer(self, pixels: Pixels) -> Part:
        """What the model says of each image, (n, C, H, W).

        Raises:
            Overloaded: too many images wait already.
        """
        if self.waiting > MAX_WAITING:
            raise Overloaded(self.waiting)
        loop = asyncio.get_running_loop()
        request = _Request(pixels, loop.create_future())
        self._queue.append(request)
        self.waiting += len(pixels)
        if not self._busy:
            self._busy = True
            # Behind the requests that this round of the loop has read but not yet brought here.
            loop.call_soon(self._answer, loop)
        return await request.answer

    def _answer(self, loop: asyncio.AbstractEventLoop) -> None:
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
        loop.call_soon(self._answer, loop)

    def _take(self) -> list[_Request]:
        """What waits, as much as one batch holds; those who have gone are left out."""
        batch: list[_Request] = []
        images = 0
        while self._queue and (not batch or images + len(self._queue[0].pixels) <= MAX_BATCH):
            request = self._queue.popleft()
            self.waiting -= len(request.pixels)
            if not request.answer.done():
                batch.append(request)
                images += len(request.pixels)
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
        self._answer(loop)

    def _deliver(self, batch: list[_Request], probabilities: Probabilities) -> None:
        self._observe(len(probabilities))
        answered = Batch(probabilities)
        begin = 0
        for request in batch:
            end = begin + len(request.pixels)
            if not request.answer.done():
                request.answer.set_result(Part(answered, begin, end))
            begin = end

    @staticmethod
    def _refuse(batch: list[_Request], error: BaseException) -> None:
        for request in batch:
            if not request.answer.done():
                request.answer.set_exception(error)
