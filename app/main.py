"""Where the API, the store and serving meet."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app.api import (
    aliases,
    dashboard,
    datasets,
    description,
    diagnoses,
    downloads,
    events,
    explain,
    health,
    jobs,
    lr_range,
    metrics,
    models,
    network_inputs,
    open_inference,
    overview,
    predictions,
    presets,
    problem_kinds,
    problems,
    reports,
    session,
    summaries,
    telemetry,
    uploads,
    workers,
)
from app.api.auth import Guard
from app.api.gate import Gate
from app.api.hot_routes import HotRoutes
from app.api.origins import Origins
from app.api.pace import Paces
from app.api.rates import Rates
from app.api.routes import declared_scopes
from app.api.state import State
from app.api.watch import Watcher
from app.serving.catalog import Catalog
from app.serving.decoding import DecodingPool
from app.settings import Settings
from app.store import database, doorbell, migrations
from app.store.objects import open_objects
from app.store.uploads import Uploads

DESCRIPTION = """\
Send a training job, watch it train, predict with the model.

Every error is a problem document (RFC 9457): `detail` says what to do, `code` is stable.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; it opens its database when it starts. Settings come from TRAIND_*."""
    settings = settings or Settings()
    counted = telemetry.Telemetry()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        opened = database.connect(settings.database, mirrors=bool(settings.mlflow_uri))
        migrations.migrate(opened)
        opened.on_commit = partial(doorbell.ring, opened)
        paces = Paces(opened)
        watcher = Watcher(opened, paces.add())
        catalog = Catalog(opened, counted.batch)
        decoding = DecodingPool()
        gc.collect()
        gc.freeze()  # the collector need not look at modules again: 20 us a request
        gc.enable()  # `python -m app` loads them without it
        own_connection = database.connect(settings.database)
        rates = Rates(settings.rates)
        origins = Origins.of(settings)
        guard = Guard(own_connection, origins, rates, watcher.dismiss_others, paces.add())
        await guard.look()
        runs = watcher.run(), guard.run(), counted.keep_looking(catalog)
        loops = [asyncio.create_task(each) for each in runs]
        yield State(
            database=opened,
            catalog=catalog,
            decoding=decoding,
            watcher=watcher,
            guard=guard,
            objects=open_objects(settings.object_storage),
            uploads=Uploads(settings.uploads),
            settings=settings,
            backbones=settings.backbone_files,
            destinations=settings.webhooks,
            body_limit=settings.max_body_bytes,
            upload_limit=settings.max_upload_bytes,
        )
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        paces.close()
        guard.close()
        decoding.close()
        catalog.close()
        opened.close()

    app = FastAPIOffline(
        title="traind",
        version=version("traind"),
        description=DESCRIPTION,
        lifespan=lifespan,
        responses=problem_kinds.EVERYWHERE,
        redoc_url=None,
        redirect_slashes=False,  # the gate takes a slash at the end away
        telemetry={"tracing": False, "metrics": False, "logs": False},  # 8 us a request; /metrics
    )
    app.state.telemetry = counted
    app.add_middleware(telemetry.Measured, telemetry=counted)
    problems.install(app)
    description.describe(app)
    routers = [
        summaries.router,
        jobs.router,
        diagnoses.router,
        explain.router,
        lr_range.router,
        presets.router,
        datasets.router,
        uploads.router,
        downloads.router,
        events.router,
        metrics.router,
        aliases.router,
        reports.router,
        models.router,
        network_inputs.router,
        predictions.router,
        open_inference.router,
        open_inference.inference,
        workers.router,
        health.router,
        overview.router,
        session.router,
        dashboard.router,
        telemetry.router,
    ]
    for router in routers:
        app.include_router(router)
    app.state.scopes = declared_scopes(routers)
    app.middleware_stack = app.state.hot_routes = HotRoutes(
        Gate(app.build_middleware_stack(), counted),
        routers=[predictions.router, open_inference.inference],
        telemetry=counted,
    )
    return app
