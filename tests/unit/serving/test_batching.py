"""One model's queue: who asked gets his own answer, in as few batches as the model's pace asks."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.serving import batching
from app.serving.batching import Batcher, NotFinite, Overloaded, Predicted
from app.serving.predictor import Probabilities
from app.serving.signature import Pixels


class Doubler:
    """Answers twice each image's first pixel; slow enough for a thread unless it is told not to."""

    bytes = 1

    def __init__(self, seconds_per_image: float = 0.0, hold: threading.Event | None = None) -> None:
        self.seconds_per_image = seconds_per_image
        self.batches: list[int] = []
        self._hold = hold

    def probabilities(self, pixels: Pixels) -> Probabilities:
        if self._hold:
            assert self._hold.wait(10)
        self.batches.append(len(pixels))
        if (pixels < 0).any():
            raise ValueError("below zero")
        return pixels[:, 0, 0] * 2


def images(*values: float) -> Pixels:
    return np.array(values, np.float32)[:, None, None, None]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def batcher(model: Any) -> Batcher:
    return Batcher(model, ThreadPoolExecutor(1), lambda _images: None)


@pytest.mark.parametrize("seconds_per_image", [0.0, 1.0], ids=["on the loop", "in a thread"])
def test_a_thousand_requests_at_once_each_get_their_own_answer(seconds_per_image: float) -> None:
    async def work() -> None:
        model = Doubler(seconds_per_image)
        queue = batcher(model)
        sizes = np.random.default_rng(0).integers(1, 5, 1000)

        async def ask(number: int, size: int) -> None:
            await asyncio.sleep(0.0001 * (number % 7))
            values = [number + share / 10 for share in range(size)]
            part = await queue.predict(images(*values))
            np.testing.assert_allclose(part.probabilities[:, 0], np.multiply(values, 2), rtol=1e-6)
            np.testing.assert_allclose(part.rows, part.probabilities, atol=1e-6)

        await asyncio.gather(*(ask(n, int(size)) for n, size in enumerate(sizes)))
        assert sum(model.batches) == sizes.sum()
        assert len(model.batches) < 500
        assert queue.waiting == 0

    run(work())


def test_what_comes_while_the_model_is_busy_is_one_batch() -> None:
    async def work() -> None:
        hold = threading.Event()
        model = Doubler(1.0, hold)
        queue = batcher(model)
        first = asyncio.create_task(queue.predict(images(1)))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(queue.predict(images(n))) for n in range(2, 50)]
        await asyncio.sleep(0.05)
        assert queue.waiting == 48
        hold.set()
        answers = [await each for each in [first, *others]]
        assert [part.rows[0][0] for part in answers] == [2 * n for n in range(1, 50)]
        assert model.batches == [1, 48]

    run(work())


def test_a_lone_request_waits_for_nobody() -> None:
    async def work() -> None:
        model = Doubler()
        queue = batcher(model)
        for number in range(3):
            assert (await queue.predict(images(number))).rows == [[2 * number]]
        assert model.batches == [1, 1, 1]

    run(work())


def test_batches_are_bounded_and_a_larger_request_goes_alone() -> None:
    async def work() -> None:
        hold = threading.Event()
        model = Doubler(1.0, hold)
        queue = batcher(model)
        sizes = [1, batching.MAX_BATCH - 1, 2, batching.MAX_BATCH + 5, 1]
        tasks = [asyncio.create_task(queue.predict(images(*[1.0] * size))) for size in sizes]
        await asyncio.sleep(0.05)
        hold.set()
        for task, size in zip(tasks, sizes, strict=True):
            assert len((await task).probabilities) == size
        assert model.batches == [batching.MAX_BATCH, 2, batching.MAX_BATCH + 5, 1]

    run(work())


def test_batches_of_large_images_are_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_BATCH_PIXELS", 4)

    async def work() -> None:
        hold = threading.Event()
        model = Doubler(1.0, hold)
        queue = batcher(model)
        tasks = [asyncio.create_task(queue.predict(images(*[1.0] * n))) for n in (1, 2, 1, 2, 9, 1)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(*tasks)
        assert model.batches == [4, 2, 9, 1]

    run(work())


def test_large_images_that_wait_are_counted_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_WAITING_BYTES", 8)

    async def work() -> None:
        hold = threading.Event()
        queue = batcher(Doubler(1.0, hold))
        tasks = [asyncio.create_task(queue.predict(images(1.0))) for _ in range(4)]
        await asyncio.sleep(0)  # a number takes four bytes: three wait, and the fourth finds 12
        hold.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in found] == [Predicted, Predicted, Predicted, Overloaded]
        assert (await queue.predict(images(4))).rows == [[8]]

    run(work())


def test_a_client_that_has_gone_is_not_answered_and_takes_nobody_with_it() -> None:
    async def work() -> None:
        hold = threading.Event()
        model = Doubler(1.0, hold)
        queue = batcher(model)
        first = asyncio.create_task(queue.predict(images(1)))
        beside = asyncio.create_task(queue.predict(images(5)))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(queue.predict(images(2)))
        stays = asyncio.create_task(queue.predict(images(3)))
        await asyncio.sleep(0.05)
        first.cancel()
        gone.cancel()
        await asyncio.sleep(0.05)
        hold.set()
        assert (await beside).rows == [[10]]
        assert (await stays).rows == [[6]]
        assert model.batches == [2, 1]
        assert queue.waiting == 0
        assert (await queue.predict(images(4))).rows == [[8]]

    run(work())


@pytest.mark.parametrize("seconds_per_image", [0.0, 1.0], ids=["on the loop", "in a thread"])
def test_an_error_is_told_to_those_who_asked_and_the_next_are_answered(
    seconds_per_image: float,
) -> None:
    async def work() -> None:
        queue = batcher(Doubler(seconds_per_image))
        with pytest.raises(ValueError, match="below zero"):
            await queue.predict(images(-1))
        assert (await queue.predict(images(4))).rows == [[8]]

    run(work())


def test_more_than_can_be_answered_soon_is_refused_and_then_taken_again() -> None:
    async def work() -> None:
        hold = threading.Event()
        queue = batcher(Doubler(1.0, hold))
        many = images(*[1.0] * batching.MAX_BATCH)
        tasks: list[asyncio.Task[Predicted]] = []
        with pytest.raises(Overloaded):
            for _ in range(100):
                tasks.append(asyncio.create_task(queue.predict(many)))
                await asyncio.sleep(0)
                if tasks[-1].done():
                    tasks.pop().result()
        assert len(tasks) * batching.MAX_BATCH >= batching.MAX_WAITING
        hold.set()
        for task in tasks:
            await task
        assert (await queue.predict(images(4))).rows == [[8]]

    run(work())


@pytest.mark.parametrize("seconds_per_image", [0.0, 1.0], ids=["on the loop", "in a thread"])
def test_what_is_no_number_is_told_to_its_own_request_only(seconds_per_image: float) -> None:
    async def work() -> None:
        queue = batcher(Doubler(seconds_per_image))
        values = (1.0, float("nan"), 3.0, float("inf"))
        found = await asyncio.gather(
            *(queue.predict(images(value)) for value in values), return_exceptions=True
        )
        assert [type(each) for each in found] == [Predicted, NotFinite, Predicted, NotFinite]

    run(work())
