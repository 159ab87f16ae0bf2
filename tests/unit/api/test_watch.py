"""The watcher: one look for everybody, nobody forgotten, nothing left behind."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from app.api import pace, watch
from app.api.events import EventStream
from app.api.pace import Paces
from app.api.watch import Watcher
from app.jobspec import JobSpec
from app.store import database, doorbell, jobs, migrations
from app.store.database import Database
from app.store.jobs import Pulse
from tests.waiting import HANG_SECONDS

Scene = Callable[[Watcher], Awaitable[None]]


@pytest.fixture
def store(tmp_path: Path) -> Database:
    opened = database.connect(f"sqlite:///{tmp_path / 'traind.db'}")
    migrations.migrate(opened)
    return opened


@pytest.fixture
def job_id(store: Database) -> str:
    with store.write() as connection:
        return jobs.submit(connection, JobSpec().model_dump(mode="json")).id


def play(store: Database, scene: Scene) -> None:
    async def played() -> None:
        paces = Paces(store)
        watcher = Watcher(store, paces.add())
        task = asyncio.create_task(watcher.run())
        await scene(watcher)
        assert not task.done()
        task.cancel()
        paces.close()

    asyncio.run(played())
    store.close()


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    looks: list[list[str]] = []
    read = jobs.pulses

    def counted(connection: database.Connection, job_ids: list[str]) -> dict[str, Pulse]:
        looks.append(job_ids)
        return read(connection, job_ids)

    monkeypatch.setattr(jobs, "pulses", counted)
    return looks


def test_every_reader_wakes_at_a_change_and_only_then(store: Database, job_id: str) -> None:
    async def scene(watcher: Watcher) -> None:
        with watcher.watch(job_id) as first, watcher.watch(job_id) as second:
            assert await first.changed(1)
            assert await second.changed(1)
            assert not await first.changed(0.3)
            with store.write() as connection:
                jobs.request_cancel(connection, job_id)
            assert await first.changed(1)
            assert await second.changed(1)
            assert first.pulse is not None
            assert first.pulse.status == "cancelled"

    play(store, scene)


def test_a_hundred_readers_cost_one_look_and_none_cost_nothing(
    store: Database, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count_looks(monkeypatch)

    async def scene(watcher: Watcher) -> None:
        contexts = [watcher.watch(job_id) for _ in range(100)]
        watches = [context.__enter__() for context in contexts]
        assert all([await reader.changed(1) for reader in watches])
        assert len(looks) == 1
        assert looks[0] == [job_id]
        for context in contexts:
            context.__exit__(None, None, None)
        await asyncio.sleep(2.5 * pace.LOOK_SECONDS)
        done = len(looks)
        await asyncio.sleep(3 * pace.LOOK_SECONDS)
        assert len(looks) == done
        with watcher.watch(job_id) as again:
            assert await again.changed(1)

    play(store, scene)


def test_a_ring_makes_a_reader_see_a_commit(
    store: Database, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUIET_SECONDS", 1e6)
    store.on_commit = partial(doorbell.ring, store)

    async def scene(watcher: Watcher) -> None:
        with watcher.watch(job_id) as reader:
            assert await reader.changed(HANG_SECONDS)
            with store.write() as connection:
                jobs.request_cancel(connection, job_id)
            assert await reader.changed(HANG_SECONDS)

    play(store, scene)


def test_a_stream_that_never_starts_or_breaks_off_is_released(store: Database, job_id: str) -> None:
    async def scene(watcher: Watcher) -> None:
        never_sent = EventStream(store, watcher, job_id, after=0)
        assert watcher.open_watches == 0
        del never_sent
        started = asyncio.Event()

        async def send(_message: object) -> None:
            started.set()
            await asyncio.sleep(60)  # a client that does not read

        async def receive() -> dict[str, str]:
            await started.wait()
            assert watcher.open_watches == 1
            return {"type": "http.disconnect"}

        await EventStream(store, watcher, job_id, after=0)({"type": "http"}, receive, send)
        assert watcher.open_watches == 0

    play(store, scene)


def test_closing_wakes_every_reader_and_those_that_come_later(store: Database, job_id: str) -> None:
    async def scene(watcher: Watcher) -> None:
        with watcher.watch(job_id) as early:
            assert await early.changed(1)
            watcher.close()
            assert await early.changed(1)
            assert early.closed
        with watcher.watch(job_id) as late:
            assert await late.changed(0)
            assert late.closed

    play(store, scene)


def test_a_failed_look_is_repeated(
    store: Database, job_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.05)
    read = jobs.pulses
    failures = iter([True, True])

    def flaky(connection: database.Connection, job_ids: list[str]) -> dict[str, Pulse]:
        if next(failures, False):
            raise RuntimeError("no")
        return read(connection, job_ids)

    monkeypatch.setattr(jobs, "pulses", flaky)

    async def scene(watcher: Watcher) -> None:
        with watcher.watch(job_id) as reader:
            assert await reader.changed(1)

    play(store, scene)
    assert caplog.text.count("could not look") == 2
