"""Rings hurry the API's loops; where none comes, the time does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.api import pace
from app.api.pace import Paces
from app.store import database, doorbell
from app.store.database import Database
from app.store.dialects.sqlite import SQLite


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = database.connect(tmp_path / "traind.db")
    with opened.write() as connection:
        connection.exec_driver_sql("CREATE TABLE anything (n INTEGER)")
    yield opened
    opened.close()


def test_a_ring_hurries_every_loop_also_if_it_came_before_the_wait(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUIET_SECONDS", 1e6)

    async def played() -> None:
        paces = Paces(store)
        loops = [paces.add(), paces.add()]
        doorbell.ring(store)
        for each in loops:
            await each.next_look()
        waiting = [asyncio.create_task(each.next_look()) for each in loops]
        await asyncio.sleep(2 * pace.LOOK_SECONDS)
        assert not any(task.done() for task in waiting), "one ring is one look"
        doorbell.ring(store)
        await asyncio.wait(waiting)
        paces.close()

    asyncio.run(played())
    assert list((store.path or Path()).with_name("traind.db.bells").iterdir()) == []


def test_without_a_ring_the_time_is_over_after_a_while(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUIET_SECONDS", 0.001)

    async def played() -> None:
        paces = Paces(store)
        await paces.add().next_look()
        paces.close()

    asyncio.run(played())


def test_without_a_bell_loops_look_all_the_time(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUIET_SECONDS", 1e6)
    (tmp_path / "traind.db.bells").touch()

    async def played() -> None:
        paces = Paces(store)
        await paces.add().next_look()
        paces.close()

    asyncio.run(played())


def test_where_no_ring_tells_of_progress_the_time_is_over_sooner(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUIET_SECONDS", 1e6)
    monkeypatch.setattr(SQLite, "tells_progress", False)

    async def played() -> None:
        paces = Paces(store)
        await paces.add().next_look()
        paces.close()

    asyncio.run(played())
