"""Where the API, the store and serving meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app.api import events, health, jobs, metrics, models, predictions, presets, problems
from app.api.body_limit import BodyLimit
from app.api.state import State
from app.api.watch import Watcher
from app.serving.catalog import Catalog
from app.settings import Settings
from app.store import database, migrations

DESCRIPTION = """\
Send a training job, watch it train, predict with the model.

Every error is a problem document (RFC 9457): `detail` says what to do, `code` is stable.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; it opens its database when it starts. Settings come from TRAIND_*."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        opened = database.connect(settings.database)
        migrations.migrate(opened)
        watcher = Watcher(opened)
        watching = asyncio.create_task(watcher.run())
        yield State(database=opened, catalog=Catalog(opened), watcher=watcher)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        opened.close()

    app = FastAPIOffline(
        title="traind",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        responses=problems.EVERYWHERE,
    )
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    problems.install(app)
    problems.describe(app)
    for resource in (jobs, presets, events, metrics, models, predictions, health):
        app.include_router(resource.router)
    return app
