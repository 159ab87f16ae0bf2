"""Threads that read large bodies and decode images, so that the event loop never does.

Memory is bounded by what is in reading at once, not by the number of requests.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from PIL import Image

from app.images.files import MAX_DECODED_BYTES, draft
from app.serving.batching import Overloaded
from app.serving.image_inputs import ImageInput, Preprocess, from_image
from app.serving.signature import Signature

THREADS = 2
"""Most pieces of work at once. Pillow and NumPy release the interpreter for most of theirs."""
MAX_WAITING = 256
"""Most requests that wait for a thread; beyond it they are refused, and come back later."""

Result = TypeVar("Result")


class _Waiting(NamedTuple):
    size: int
    admitted: asyncio.Future[None]


class DecodingPool:
    """Runs work whose size in memory is known before it starts. It belongs to one event loop.

    Work starts in the order in which it came. A request brings one image at a time, so that one
    with a thousand images delays one with a single image by one image only.
    """

    def __init__(self, max_bytes: int = MAX_DECODED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._threads = ThreadPoolExecutor(THREADS, "decoding")
        self._queue: deque[_Waiting] = deque()
        self._running = 0
        self.bytes = 0
        """Sizes of the work that runs now, together."""

    async def run(self, size: int, work: Callable[[], Result]) -> Result:
        """What `work` returns, from a thread; it takes about `size` bytes while it runs.

        Work that is larger than the pool's memory runs alone.

        Raises:
            Overloaded: too many requests wait already.
        """
        if len(self._queue) >= MAX_WAITING:
            raise Overloaded(len(self._queue))
        loop = asyncio.get_running_loop()
        size = min(size, self._max_bytes)
        waiting = _Waiting(size, loop.create_future())
        self._queue.append(waiting)
        self._admit()
        try:
            await waiting.admitted
        except asyncio.CancelledError:
            if waiting.admitted.done() and not waiting.admitted.cancelled():
                self._release(size)
            raise
        running = loop.run_in_executor(self._threads, work)
        running.add_done_callback(lambda done: self._finish(size, done))
        return await asyncio.shield(running)  # a thread cannot be stopped: its memory stays counted

    async def decode(
        self, image: Image.Image, signature: Signature, preprocess: Preprocess
    ) -> ImageInput:
        """An opened image as the model takes it, as `from_image`.

        Raises:
            InvalidInput: damaged, or too large to decode.
            Overloaded: too many requests wait already.
        """
        return await self.run(draft(image), partial(from_image, image, signature, preprocess))

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _admit(self) -> None:
        while (
            self._queue
            and self._running < THREADS
            and self.bytes + self._queue[0].size <= self._max_bytes
        ):
            size, admitted = self._queue.popleft()
            if not admitted.done():  # else its request has gone
                self._running += 1
                self.bytes += size
                admitted.set_result(None)

    def _finish(self, size: int, done: asyncio.Future[Result]) -> None:
        if not done.cancelled():
            done.exception()  # seen, also where the request has gone
        self._release(size)

    def _release(self, size: int) -> None:
        self._running -= 1
        self.bytes -= size
        self._admit()
