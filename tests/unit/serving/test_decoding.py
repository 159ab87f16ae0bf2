"""Decoding stays within its memory and threads, in the order of arrival, and gives both back."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.serving import decoding
from app.serving.batching import Overloaded
from app.serving.decoding import THREADS, DecodingPool


class Work:
    """A piece of work that tells when it starts and ends when it is let go."""

    def __init__(self) -> None:
        self.started, self.released = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.started.set()
        self.released.wait()
        return "done"


async def settled() -> None:
    """Every callback that is due has run."""
    for _ in range(5):
        await asyncio.sleep(0)


def played(scene: Callable[[DecodingPool], Awaitable[Any]], max_bytes: int = 100) -> Any:
    async def play() -> Any:
        pool = DecodingPool(max_bytes)
        try:
            return await scene(pool)
        finally:
            pool.close()

    return asyncio.run(play())


def test_as_much_runs_at_once_as_memory_allows_in_the_order_of_arrival() -> None:
    async def scene(pool: DecodingPool) -> None:
        first, second, third = Work(), Work(), Work()
        tasks = [
            asyncio.create_task(pool.run(size, work))
            for size, work in ((60, first), (60, second), (10, third))
        ]
        await asyncio.to_thread(first.started.wait)
        assert pool.bytes == 60
        assert not second.started.is_set()
        assert not third.started.is_set()  # it would fit, and waits behind the second
        first.released.set()
        await asyncio.to_thread(second.started.wait)
        await asyncio.to_thread(third.started.wait)
        assert pool.bytes == 70
        second.released.set()
        third.released.set()
        assert await asyncio.gather(*tasks) == ["done"] * 3
        await settled()
        assert pool.bytes == 0

    played(scene)


def test_no_more_threads_run_than_there_are() -> None:
    async def scene(pool: DecodingPool) -> None:
        works = [Work() for _ in range(THREADS + 1)]
        tasks = [asyncio.create_task(pool.run(1, work)) for work in works]
        for work in works[:-1]:
            await asyncio.to_thread(work.started.wait)
        assert pool.bytes == THREADS
        for work in works:
            work.released.set()
        await asyncio.gather(*tasks)

    played(scene)


def test_work_larger_than_the_memory_runs_alone() -> None:
    async def scene(pool: DecodingPool) -> None:
        large, small = Work(), Work()
        tasks = [
            asyncio.create_task(pool.run(size, work)) for size, work in ((999, large), (1, small))
        ]
        await asyncio.to_thread(large.started.wait)
        assert not small.started.is_set()
        large.released.set()
        small.released.set()
        await asyncio.gather(*tasks)

    played(scene)


def test_who_gives_up_while_waiting_takes_nothing_and_running_work_stays_counted() -> None:
    async def scene(pool: DecodingPool) -> None:
        running, given_up, last = Work(), Work(), Work()
        tasks = [asyncio.create_task(pool.run(80, work)) for work in (running, given_up, last)]
        await asyncio.to_thread(running.started.wait)
        tasks[0].cancel()
        tasks[1].cancel()
        await settled()
        assert pool.bytes == 80  # its thread still runs
        assert not last.started.is_set()
        running.released.set()
        await asyncio.to_thread(last.started.wait)
        assert not given_up.started.is_set()
        last.released.set()
        assert await tasks[2] == "done"
        await settled()
        assert pool.bytes == 0

    played(scene)


def test_what_work_raises_is_raised_and_its_memory_is_given_back() -> None:
    async def scene(pool: DecodingPool) -> int:
        with pytest.raises(ZeroDivisionError):
            await pool.run(50, lambda: 1 // 0)
        await settled()
        return pool.bytes

    assert played(scene) == 0


def test_too_many_waiting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_WAITING", 1)

    async def scene(pool: DecodingPool) -> None:
        running, waiting = Work(), Work()
        tasks = [asyncio.create_task(pool.run(80, work)) for work in (running, waiting)]
        await asyncio.to_thread(running.started.wait)
        with pytest.raises(Overloaded):
            await pool.run(80, Work())
        running.released.set()
        waiting.released.set()
        await asyncio.gather(*tasks)

    played(scene)
