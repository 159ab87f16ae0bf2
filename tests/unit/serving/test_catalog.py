"""Names and loaded models: looked up once, found again after a commit, bounded in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.jobspec import JobSpec
from app.serving import catalog as catalogs
from app.serving.catalog import Catalog
from app.store import aliases, database, jobs, migrations, tables
from app.store.database import Database
from app.store.errors import ModelNotFound
from app.store.leases import Lease
from app.store.trained_models import TrainedModel
from tests import runs
from tests.service.conftest import banded_model


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = database.connect(f"sqlite:///{tmp_path / 'traind.db'}")
    migrations.migrate(opened)
    yield opened
    opened.close()


def publish(store: Database, model: TrainedModel) -> str:
    with store.write() as connection:
        job = jobs.submit(connection, JobSpec().model_dump(mode="json"))
        connection.execute(
            update(tables.jobs)
            .where(tables.jobs.c.id == job.id)
            .values(status="running", attempt=1)
        )
        return runs.succeed(connection, Lease(job.id, 1), model)


def run(store: Database, work: Callable[[Catalog], Awaitable[None]]) -> None:
    async def with_catalog() -> None:
        catalog = Catalog(store, lambda _images: None)
        try:
            await work(catalog)
        finally:
            catalog.close()

    asyncio.run(with_catalog())


def test_a_name_is_looked_up_once_until_something_is_committed(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(store, banded_model(0))
    searches: list[Any] = []
    resolve = catalogs.trained_models.resolve

    def counted(*arguments: Any) -> str:
        searches.append(arguments)
        return resolve(*arguments)

    monkeypatch.setattr(catalogs.trained_models, "resolve", counted)

    async def work(catalog: Catalog) -> None:
        found = await asyncio.gather(*(catalog.find("latest") for _ in range(50)))
        assert {served.model_id for served in found} == {first}
        await catalog.find("latest")
        assert len([each for each in searches if each[1] == "latest"]) == 1
        second = await asyncio.to_thread(publish, store, banded_model(1))
        assert (await catalog.find("latest")).model_id == second
        assert (await catalog.find(first)).model_id == first

    run(store, work)


def test_equal_graphs_share_a_session_and_keep_their_names(store: Database) -> None:
    one, other = publish(store, banded_model(2)), publish(store, banded_model(2))

    async def work(catalog: Catalog) -> None:
        a, b = await catalog.find(one), await catalog.find(other)
        assert (a.model_id, b.model_id) == (one, other)
        assert a.batcher is b.batcher

    run(store, work)


def test_the_least_recently_asked_goes_when_memory_is_full(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [publish(store, banded_model(shift)) for shift in range(4)]
    size = len(banded_model().files["onnx"])
    monkeypatch.setattr(catalogs, "MAX_BYTES", 2 * size + 100)

    async def work(catalog: Catalog) -> None:
        a, b, c, _ = models
        sessions = {model: (await catalog.find(model)).batcher for model in (a, b)}
        assert (await catalog.find(a)).batcher is sessions[a]  # asked after b
        await catalog.find(c)
        assert catalog.loaded_bytes <= catalogs.MAX_BYTES
        assert (await catalog.find(a)).batcher is sessions[a]
        assert (await catalog.find(b)).batcher is not sessions[b]
        assert catalog.loaded_bytes <= catalogs.MAX_BYTES
        monkeypatch.setattr(catalogs, "MAX_BYTES", 1)
        assert (await catalog.find(c)).model_id == c  # one is always kept
        assert catalog.loaded_bytes == size

    run(store, work)


def test_production_counts_before_latest_and_a_deleted_model_is_gone(store: Database) -> None:
    old, new = publish(store, banded_model(0)), publish(store, banded_model(1))

    async def work(catalog: Catalog) -> None:
        assert (await catalog.find(None)).model_id == new

        def promote() -> None:
            with store.write() as connection:
                aliases.promote(connection, "production", old)

        await asyncio.to_thread(promote)
        assert (await catalog.find(None)).model_id == old
        assert (await catalog.find("production", old)).model_id == old
        with pytest.raises(ModelNotFound):
            await catalog.find("production", new)
        with pytest.raises(ModelNotFound):
            await catalog.find("nobody")

    run(store, work)
